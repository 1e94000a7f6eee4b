"""`evalkit generate`: draws the images of a study that are not there yet.

The promise: the same study, batch size, threads, hardware and versions give the same bytes, however often the run was
interrupted. What made an image is recorded beside it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from evalkit import models, prompts
from evalkit.engines import Batch, Draw, Keep, Work, local, work_for
from evalkit.errors import RunError, UnavailableError
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.plan import Part, PlannedImage, plan_images, select_prompts
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store import drawing
from evalkit.store.image_table import list_images
from evalkit.store.images import DrawnImage, keep_image, read_facts
from evalkit.store.manifest import add_stage, begin, versions
from evalkit.store.run import Run

WHOLE = Part()
DEFAULT_BATCH_SIZE = 4
"""Fits Stable Diffusion 1.5 at 512 px into 8 GB in half precision, and loses little where a run is stopped."""


def generate(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    part: Part = WHOLE,
    batch_size: int | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Draws what is missing, writes images.parquet and a line of the manifest.

    Args:
        part: what to draw of the plan; it never changes the study's SHA. Batches are cut from the whole plan, so a few
            more images may be drawn than the part asks for; they are kept, and listed once they are asked for.
        batch_size: images drawn at once; default: the run's own, else 4.
        dry_run: only count.

    Raises:
        UnavailableError: a revision is not pinned, or a checkpoint not fetched.
        ModelError: a checkpoint is damaged, or the device's memory too small.
        RunError: another process works on this run, it was begun on a device of another number format, or pictures of
            a system are not imported.
    """
    run, started = Run(settings.runs_dir / resolved.run_name), time.perf_counter()
    how = _how(run, resolved, settings, batch_size)
    work = survey(resolved, settings, part, how)
    if dry_run:
        return _would(work, resolved)
    _refuse_unready(work, resolved, settings)
    with run.lock():
        begin(run, resolved)
        if work.images:
            drawing.write(run, how)
        try:
            differing = _draw(work, resolved, settings, progress)
        finally:
            facts = _list(run, work, resolved, settings)
        if work.images:
            add_stage(run, "generate", seconds=time.perf_counter() - started, **facts)
    return _done(run, work, resolved, facts, differing)


def _how(run: Run, resolved: ResolvedStudy, settings: Settings, batch_size: int | None) -> drawing.Drawing:
    """Batch size and device: the run's own, where it has begun."""
    device, before = models.device_for(resolved.cards.values(), settings), drawing.read(run)
    drawing.check_device(run, device)
    return drawing.Drawing(batch_size or (before.batch_size if before else DEFAULT_BATCH_SIZE), device)


def survey(resolved: ResolvedStudy, settings: Settings, part: Part, how: drawing.Drawing) -> Work:
    """What the study asks for, and which batches of it are not there."""
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    whole = plan_images(chosen, resolved, device=how.device)
    wanted = plan_images(chosen, resolved, part, device=how.device)
    missing = {image.key for image in wanted if read_facts(settings.images_dir, image.key) is None}
    return work_for(whole, wanted, missing, [system.name for system in resolved.study.systems], how.batch_size)


def _refuse_unready(work: Work, resolved: ResolvedStudy, settings: Settings) -> None:
    """What can be known before the first second of drawing."""
    if unpinned := resolved.unpinned():
        hint = f"evalkit fetch {_reference(resolved)}"
        raise UnavailableError(f"revision not pinned: {', '.join(unpinned)}", where=str(resolved.path), hint=hint)
    for system in work.batches:
        card = resolved.cards[system]
        if card.loader == "folder":
            lacking = sum(image.system == system and image.key in work.missing for image in work.wanted)
            hint = f"evalkit import FOLDER --system {system} --study {_reference(resolved)}"
            raise RunError(f"{lacking} pictures of {system!r} are not imported", where=str(resolved.path), hint=hint)
        models.checkpoint_folder(card, settings.root)


def _draw(work: Work, resolved: ResolvedStudy, settings: Settings, progress: Progress) -> list[str]:
    """System by system: loads the model, runs its batches. Returns keys of images that were there with other bytes."""
    done, differing = 0, list[str]()

    def drawn(batch: Batch) -> None:
        nonlocal done
        done += len(batch.images)
        progress("images", done, work.images)

    for system, batches in work.batches.items():
        generator = models.load(resolved.cards[system], settings)
        keep = _keeper(settings, work.batch_size, generator.made | {"versions": versions()}, differing)
        local.run(batches, _drawer(generator, resolved, system), keep, drawn)
    return differing


def _drawer(generator: models.Generator, resolved: ResolvedStudy, system: str) -> Draw:
    sampling = resolved.study.system(system).sampling

    def draw(planned: Sequence[PlannedImage]) -> list[DrawnImage]:
        return generator.generate([image.prompt.text for image in planned], [image.seed for image in planned], sampling)

    return draw


def _keeper(settings: Settings, size: int, made: dict[str, Any], differing: list[str]) -> Keep:
    def keep(planned: PlannedImage, image: DrawnImage, seconds: float) -> None:
        seconds = round(seconds, 4)
        if not keep_image(settings.images_dir, planned.key, image, seconds=seconds, batch_size=size, made=made):
            differing.append(planned.key)

    return keep


def _list(run: Run, work: Work, resolved: ResolvedStudy, settings: Settings) -> dict[str, Any]:
    """Writes images.parquet; what the manifest and the outcome say about it."""
    table = list_images(run, work.whole, work.wanted, resolved.prompt_set.name, settings.images_dir)
    return {
        "study": resolved.study.name,
        "sha": resolved.sha,
        "planned": len(work.whole),
        "listed": len(table),
        "drawn": work.images,
        "flagged": int(table["flagged"].sum()),
        "blank": int(table["blank"].sum()),
        "batch_sizes": sorted({int(size) for size in table["batch_size"] if size}),
        "models": {name: card.revision or card.digest or card.loader for name, card in resolved.cards.items()},
    }


def _would(work: Work, resolved: ResolvedStudy) -> Outcome:
    """The answer to --dry-run."""
    batches = sum(len(batches) for batches in work.batches.values())
    said = f"would draw {work.images} images in {batches} batches of {work.batch_size}"
    facts = {
        "study": resolved.study.name,
        "sha": resolved.sha,
        "planned": len(work.whole),
        "wanted": len(work.wanted),
        "missing": len(work.missing),
        "to_draw": work.images,
        "by_system": {name: sum(len(batch.images) for batch in cut) for name, cut in work.batches.items()},
        "batch_size": work.batch_size,
    }
    said += f"; {sum(image.key not in work.missing for image in work.wanted)} of {len(work.wanted)} are there"
    warnings = tuple(f"{name}: revision not pinned yet" for name in resolved.unpinned())
    return Outcome(said, next=f"evalkit generate {_reference(resolved)}", facts=facts, warnings=warnings)


def _done(run: Run, work: Work, resolved: ResolvedStudy, facts: dict[str, Any], differing: list[str]) -> Outcome:
    drew = f"{work.images} images drawn" if work.images else "nothing to draw"
    sizes = facts["batch_sizes"]
    warnings = {
        f"{facts['flagged']} images flagged by a safety checker": facts["flagged"],
        f"{facts['blank']} images blank: a single colour": facts["blank"],
        f"{len(differing)} images, drawn again, have other bytes: hardware, versions or threads changed": differing,
        f"drawn with several batch sizes {sizes}: bytes may differ from those of one go": len(sizes) > 1,
    }
    return Outcome(
        f"{drew}; {facts['listed']} of the study's {facts['planned']} are there",
        where=run.folder,
        next=f"evalkit score {_reference(resolved)}",
        facts=facts | {"run": str(run.folder)},
        warnings=tuple(text for text, holds in warnings.items() if holds),
    )


def _reference(resolved: ResolvedStudy) -> str:
    """The study as one would type it."""
    return resolved.study.name if resolved.path.parent == resolved.root / "studies" else str(resolved.path)
