"""What a report says, one file per section: `section(run) -> Section | None`, from the run folder alone.

A section opens with its finding; None means that the run holds nothing for it. A new file is a new section: it comes
before the last one unless ORDER names it.
"""

from __future__ import annotations

from evalkit import registry

ORDER = (
    *(
        "summary",
        "reconstruction",
        "study_tables",
        "votes_quality",
        "metrics",
        "health",
        "sample_efficiency",
        "latency",
    ),
    *("languages", "people", "safety", "gallery", "methods"),
)


def in_order() -> list[str]:
    """The names of all sections, as they follow each other in a report."""
    known = registry.names("sections")
    strangers = [name for name in known if name not in ORDER]
    return [name for name in (*ORDER[:-1], *strangers, ORDER[-1]) if name in known]
