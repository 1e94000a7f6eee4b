"""`evalkit check`: everything that a study names is found and fits, and what it will cost, before the first second."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from evalkit import prompts
from evalkit.metrics._networks import unpinned
from evalkit.outcome import Outcome
from evalkit.settings import Settings
from evalkit.spec.catalog import Prompt
from evalkit.spec.plan import PlannedImage, plan_images, select_prompts, voting_keys
from evalkit.spec.resolve import ResolvedStudy, load_lock, lock_path

BYTES_PER_PIXEL = 1.6
"""Mean size of a PNG of a photograph-like 512 px image."""


def check(resolved: ResolvedStudy, settings: Settings, *, seconds_per_image: float = 2.0) -> Outcome:
    """Resolves everything and counts: images, disk, hours, comparisons, votes.

    Args:
        seconds_per_image: what one image costs on your machine; `evalkit bench` or a first `--limit 20` tells.
    """
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    images = plan_images(chosen, resolved)
    facts = {
        "study": resolved.study.name,
        "sha": resolved.sha,
        "prompts": len(chosen),
        "images": len(images),
        "disk_megabytes": round(sum(_bytes(image) for image in images) / 1e6, 1),
        "hours": round(len(images) * seconds_per_image / 3600, 2),
        "seconds_per_image": seconds_per_image,
        **_voting(chosen, resolved),
        "unpinned": resolved.unpinned(),
    }
    free = [metric.name for metric in resolved.study.metrics if metric.model is None]
    networks = unpinned(free, settings.root, load_lock(lock_path(resolved.path)).models)
    warnings = [f"{name}: weights of a metric not pinned yet: `evalkit fetch {_name(resolved)}`" for name in networks]
    warnings += [f"{name}: revision not pinned yet: `evalkit fetch {_name(resolved)}`" for name in resolved.unpinned()]
    untested = [card.name for card in resolved.cards.values() if card.untested]
    warnings += [f"{name}: built to the published layout, never run on its own weights" for name in untested]
    next_step = f"evalkit {'fetch' if resolved.unpinned() else 'generate'} {_name(resolved)}"
    return Outcome(_said(facts, resolved), next=next_step, facts=facts, warnings=tuple(warnings))


def _bytes(image: PlannedImage) -> float:
    return image.width * image.height * BYTES_PER_PIXEL


def _voting(chosen: Sequence[Prompt], resolved: ResolvedStudy) -> dict[str, int]:
    """Comparisons in all languages, and the votes of all sheets; golds, repeats and warm-ups not counted."""
    design = resolved.study.voting
    if design is None:
        return {"comparisons": 0, "votes": 0}
    keys = set(voting_keys(chosen, resolved))
    shown = [prompt.lang for prompt in chosen if prompt.key in keys]
    comparisons = len(shown) * design.images * len(list(combinations(resolved.study.systems, 2)))
    decks = len(set(shown)) if design.languages == "one" else 1
    sheets, each = design.sheets(comparisons // decks) * decks, design.per_sheet(comparisons // decks)
    return {"comparisons": comparisons, "votes": each * sheets * len(design.questions)}


def _said(facts: dict[str, object], resolved: ResolvedStudy) -> str:
    systems = ", ".join(system.name for system in resolved.study.systems)
    lines = [
        f"{resolved.study.title}",
        f"  study        {resolved.run_name}",
        f"  systems      {systems}",
        f"  prompts      {facts['prompts']:,} of {resolved.prompt_set.title}",
        f"  images       {facts['images']:,}, about {facts['disk_megabytes']:,} MB",
        f"  time         {facts['hours']} h at {facts['seconds_per_image']} s an image",
    ]
    if resolved.study.voting:
        raters = resolved.study.voting.raters
        lines.append(f"  voting       {facts['comparisons']} comparisons, {raters} raters, {facts['votes']:,} votes")
    return "\n".join(lines)


def _name(resolved: ResolvedStudy) -> str:
    return resolved.study.name
