"""`evalkit generate`: draws the images of a study that are not there yet.

The promise: the same study, batch size, threads, hardware and versions give the same bytes, however often the run was
interrupted. What made an image is recorded beside it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit import models, prompts
from evalkit.engines import Engine
from evalkit.engines.batches import Work, work_for
from evalkit.engines.local import HERE
from evalkit.errors import ModelError, OutOfMemoryError, RunError, UnavailableError
from evalkit.models._painting import Painting
from evalkit.models._survey import Survey
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.catalog import ModelCard
from evalkit.spec.plan import Part, select_prompts, unchecked
from evalkit.spec.resolve import ResolvedStudy
from evalkit.spec.study import System
from evalkit.store import drawing, image_table
from evalkit.store.files import sweep
from evalkit.store.images import forget_damaged, lacking
from evalkit.store.manifest import add_stage, begin
from evalkit.store.pace import watched
from evalkit.store.run import Run

WHOLE = Part()
DEFAULT_BATCH_SIZE = 4
"""Where no memory tells: systems without networks, checkpoints that are not there yet."""
STALE_SECONDS = 60.0
"""Half-written files older than this belong to a process that died: a whole write takes a moment."""


@dataclass
class Told:
    """What happened while drawing."""

    differing: list[str] = field(default_factory=list)
    """keys of images that were there with other bytes"""
    damaged: list[str] = field(default_factory=list)
    """keys of images that were there, and not as they were made"""
    out_of_memory: list[dict[str, Any]] = field(default_factory=list)
    """each time that the plan was rewritten: system, and batch size before and after"""


def generate(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    part: Part = WHOLE,
    batch_size: int | None = None,
    safety_checker: bool = True,
    compiled: bool = False,
    verify: bool = False,
    dry_run: bool = False,
    engine: Engine = HERE,
    progress: Progress = silent,
) -> Outcome:
    """Draws what is missing, writes images.parquet and a line of the manifest.

    Args:
        part: what to draw of the plan; it never changes the study's SHA. Batches are cut from the whole plan, so a few
            more images may be drawn than the part asks for; they are kept, and listed once they are asked for.
        batch_size: images drawn at once; default: the run's own, else what memory has room for. If memory runs out all
            the same, the plan goes on with half of it for what is not drawn yet.
        safety_checker: False draws without the checkpoints' safety checkers; fixed when the run begins, and recorded.
        compiled: run the denoising networks by torch.compile; fixed and recorded likewise.
        verify: read every image that is there; those that are damaged are drawn again.
        dry_run: only count.
        engine: what draws the batches: this process, or the workers of a cluster. The batches are the same.

    Raises:
        UnavailableError: a revision is not pinned, or a checkpoint not fetched.
        ModelError: a checkpoint is damaged, or the device's memory too small for a single image.
        RunError: another process works on this run, it was begun on a device of another number format, or pictures of
            a system are not imported.
    """
    run, started = Run(settings.runs_dir / resolved.run_name), time.perf_counter()
    drawing.check_options(run, safety_checker=safety_checker, compiled=compiled)
    how = drawing.read(run) or drawing.Drawing(0, "", safety_checker, "compile" if compiled else "pytorch")
    how = _fixed(how, run, resolved, settings, batch_size, engine)
    settings = settings.model_copy(update={"threads": how.threads})
    work, told = survey(resolved, settings, part, how), Told()
    if dry_run:
        return _would(work, resolved)
    if verify:
        told.damaged = [image.key for image in work.wanted if forget_damaged(settings.images_dir, image.key)]
        work = survey(resolved, settings, part, how)
    _refuse_unready(work, resolved, settings)
    with run.lock("generate", wait=settings.wait) as died:
        if settings.wait:  # another process may have begun the run in the meantime
            how = _fixed(drawing.read(run) or how, run, resolved, settings, batch_size, engine)
            work = survey(resolved, settings, part, how)
        if died:
            sweep(settings.images_dir, older_than=STALE_SECONDS)
        begin(run, resolved)
        if work.images:
            drawing.write(run, how)
        try:
            _draw_all(run, resolved, settings, part, how, engine, told, watched(run.folder, progress))
        finally:
            facts = _list(run, work, resolved, settings) | _happened(run, told)
        if work.images:
            facts |= {"engine": engine.name, "workers": engine.workers, "threads": how.threads}
            add_stage(run, "generate", seconds=time.perf_counter() - started, **facts)
    return _done(run, work, resolved, facts, told)


def _fixed(
    how: drawing.Drawing,
    run: Run,
    resolved: ResolvedStudy,
    settings: Settings,
    batch_size: int | None,
    engine: Engine,
) -> drawing.Drawing:
    """Device, threads and batch size: the run's own, where it has begun; else as many images as fit.

    The machine that draws is asked, which need not be this one.
    """
    begun = drawing.read(run)
    if begun and engine.name != "local":  # each worker looks at its own device
        return replace(how, batch_size=batch_size or how.batch_size)
    loads = tuple(_load_of(system, resolved) for system in resolved.study.systems)
    survey = Survey(tuple(resolved.cards.values()), None if how.batch_size or batch_size else loads, settings)
    [ground] = engine.run([None], survey)
    drawing.check_device(run, ground.device)
    how = replace(how, device=ground.device, threads=how.threads if begun else settings.threads or engine.threads)
    if how.batch_size or batch_size:
        return replace(how, batch_size=batch_size or how.batch_size)
    fit = ground.fit
    return replace(
        how, batch_size=fit.batch_size if fit else DEFAULT_BATCH_SIZE, vae_slicing=bool(fit and fit.vae_slicing)
    )


def _load_of(system: System, resolved: ResolvedStudy) -> tuple[ModelCard, int]:
    card, wish = resolved.cards[system.name], system.sampling
    return card, (wish.width or card.size) * (wish.height or card.size)


def survey(resolved: ResolvedStudy, settings: Settings, part: Part, how: drawing.Drawing) -> Work:
    """What the study asks for, and which batches of it are not there."""
    chosen = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    whole = drawing.plan(how, chosen, resolved)
    wanted = whole if part == WHOLE else drawing.plan(how, chosen, resolved, part)
    known = image_table.sizes(Run(settings.runs_dir / resolved.run_name))
    looked = lacking(settings.images_dir, (image.key for image in wanted), known)
    missing = {key for key, facts in looked if facts is None}
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


def _draw_all(
    run: Run,
    resolved: ResolvedStudy,
    settings: Settings,
    part: Part,
    how: drawing.Drawing,
    engine: Engine,
    told: Told,
    progress: Progress,
) -> None:
    """Draws what is missing. Where memory runs out, what is drawn stays, and the rest gets smaller batches."""
    while True:
        work = survey(resolved, settings, part, how)
        try:
            with image_table.Appending(run) as table:
                return _draw(work, resolved, settings, how, engine, told, table, progress)
        except OutOfMemoryError as error:
            system = str(error.where)
            how = _smaller(how, error)
        told.out_of_memory.append({"system": system, "from": work.batch_size, "to": how.batch_size})
        drawing.write(run, how)
        run.log("out of memory", **told.out_of_memory[-1])


def _smaller(how: drawing.Drawing, error: OutOfMemoryError) -> drawing.Drawing:
    """Half the batch, decoded one by one.

    Raises:
        ModelError: a single image does not fit.
    """
    if how.batch_size == 1 and how.vae_slicing:
        hint = "a smaller width and height, another device, or a smaller model"
        raise ModelError(error.what, where=error.where, hint=hint) from None
    return replace(how, batch_size=max(1, how.batch_size // 2), vae_slicing=True)


def _draw(
    work: Work,
    resolved: ResolvedStudy,
    settings: Settings,
    how: drawing.Drawing,
    engine: Engine,
    told: Told,
    table: image_table.Appending,
    progress: Progress,
) -> None:
    """System by system: each worker has one model in memory at a time."""
    done = 0
    for name, batches in work.batches.items():
        system = resolved.study.system(name) if how.safety_checker else unchecked(resolved.study.system(name))
        compiled = how.runtime == "compile"
        painting = Painting(system, resolved.cards[name], settings, how.device, compiled, how.vae_slicing)
        for kept in engine.run(batches, painting):
            told.differing += kept.differing
            for image, facts in zip(kept.batch.images, kept.facts, strict=True):
                table.add(image.key, facts)
            done += len(kept.batch.images)
            progress("images", done, work.images)


def _happened(run: Run, told: Told) -> dict[str, Any]:
    """How the run is drawn, and whether memory ran out, for the manifest."""
    how = drawing.read(run)
    options = {"safety_checker": how.safety_checker, "runtime": how.runtime} if how else {}
    return options | {"out_of_memory": told.out_of_memory}


def _list(run: Run, work: Work, resolved: ResolvedStudy, settings: Settings) -> dict[str, Any]:
    """Writes images.parquet; what the manifest and the outcome say about it."""
    table = image_table.list_images(run, work.whole, work.wanted, resolved.prompt_set.name, settings.images_dir)
    return {
        "study": resolved.study.name,
        "sha": resolved.sha,
        "planned": len(work.whole),
        "listed": len(table),
        "drawn": work.images,
        "flagged": int(table["flagged"].sum()),
        "flagged_images": [
            f"{row['system']}: prompt {row['prompt_key']} ({row['lang']}), image {int(row['image_index']) + 1}"
            for row in table[table["flagged"]].to_dict("records")
        ],
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


def _done(run: Run, work: Work, resolved: ResolvedStudy, facts: dict[str, Any], told: Told) -> Outcome:
    drew = f"{work.images} images drawn" if work.images else "nothing to draw"
    sizes, differing = facts["batch_sizes"], told.differing
    shrunk = ", ".join(f"{change['from']} to {change['to']} at {change['system']}" for change in told.out_of_memory)
    warnings = {
        f"memory ran out; batch size {shrunk}; nothing was lost": told.out_of_memory,
        f"{len(told.damaged)} images were damaged, and were drawn again": told.damaged,
        f"{facts['flagged']} images flagged by a safety checker: raters are not shown them": facts["flagged"],
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
