"""The table of all metrics, from their files alone: for `evalkit ls metrics`, and as evalkit/metrics/README.md.

`python -m evalkit.metrics._catalogue` writes the README; a test holds it to the files.
"""

from __future__ import annotations

from pathlib import Path

from evalkit import registry
from evalkit.metrics._metric import title

README = Path(__file__).with_name("README.md")
HEAD = """# Metrics

One file each; this table is made of them (`python -m evalkit.metrics._catalogue`); `evalkit ls metrics` shows the same.
Every value carries a signature of how it was made; values with unlike signatures never stand in one column. Level
"image" gives a number for each image, level "set" one for a system's images against a reference set. Weights that are
in no package have cards in `data/networks/`: `evalkit fetch` pins them, or put them into `data/weights/CARD/` by hand.

| metric | level | what it says | range | better | unit | how to read it | network | source |
|---|---|---|---|---|---|---|---|---|
"""


def entries() -> list[dict[str, str]]:
    """One record a metric: name, title, level, range, direction, unit, reads, network, citation, file."""
    found = []
    for name in registry.names("metrics"):
        metric = registry.get("metrics", name)
        info = metric.info
        low, high = ("…" if end is None else f"{end:g}" for end in info.range)
        found.append(
            {
                "name": name,
                "title": title(metric),
                "level": info.level,
                "range": f"{low} to {high}",
                "direction": info.direction,
                "unit": info.unit,
                "reads": info.reads,
                "network": info.network or info.extractor or "in its package",
                "citation": info.citation,
                "file": f"evalkit/metrics/{name}.py",
            }
        )
    return found


def as_markdown() -> str:
    """The README."""
    columns = ("level", "title", "range", "direction", "unit", "reads", "network", "citation")
    rows = [
        " | ".join([f"| [{entry['name']}]({entry['name']}.py)", *(_cell(entry[column]) for column in columns)]) + " |"
        for entry in entries()
    ]
    return HEAD + "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    README.write_text(as_markdown(), encoding="utf-8")
