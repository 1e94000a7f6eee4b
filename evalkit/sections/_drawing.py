"""How the images were drawn, where it is not the usual way: safety checkers, memory that ran out, other runtimes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.sections import _format
from evalkit.store.run import Run

NAMED = 5


def drawing_notes(run: Run) -> Iterator[str]:
    """One sentence for each, from generate.json and the manifest."""
    how = run.read_json("generate.json") if run.has("generate.json") else {}
    stages = run.read_json("manifest.json")["stages"] if run.has("manifest.json") else []
    if how.get("safety_checker") is False:
        yield "Drawn without the checkpoints' own safety checkers (--no-safety-checker)."
    if how.get("runtime", "pytorch") != "pytorch":
        yield f"The networks ran by another runtime than PyTorch itself: {_format.tame(str(how['runtime']))}."
    for stage in stages:
        yield from _of_stage(stage)


def _of_stage(stage: Mapping[str, Any]) -> Iterator[str]:
    for change in stage.get("out_of_memory") or ():
        yield (
            f"Memory ran out while {_format.tame(str(change['system']))} drew; what was left was drawn "
            f"{_format.plural(change['to'], 'image')} at once instead of {change['from']}: the last bits of its pixels "
            "may differ from those of one go."
        )
    if stage.get("stage") == "vote open" and stage.get("unchecked"):
        yield f"Opened for votes without a check for unsafe images: {_format.tame(str(stage['unchecked']))}."
    if stage.get("stage") == "vote open" and stage.get("flagged_images"):
        flagged = [_format.tame(name) for name in stage["flagged_images"]]
        more = f" and {len(flagged) - NAMED} more" if len(flagged) > NAMED else ""
        yield (
            f"Flagged by a checkpoint's own safety checker or the unsafe-image check, and not shown to raters: "
            f"{_format.plural(len(flagged), 'image')} ({'; '.join(flagged[:NAMED])}{more}). With those beside them, "
            f"{_format.plural(stage['left_out'], 'image')} were left out."
        )
