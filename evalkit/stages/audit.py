"""`evalkit audit`: is a system worse for people who don't write English, and whom does it show? Runs the checks.

Reads the images that `evalkit generate` listed, and what voting and scoring left in the run; writes audit.parquet (one
row per number), audit.json and the thumbnails of the contact sheet. A second run computes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from evalkit import models, prompts, registry
from evalkit.checks._check import Check, Finding, Material, Scored
from evalkit.errors import SpecError, UnavailableError
from evalkit.metrics._metric import Metric, Picture, Workplace
from evalkit.metrics._sheet import signature
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.audit import Audit
from evalkit.spec.catalog import Prompt
from evalkit.spec.identity import digest, draw
from evalkit.spec.plan import plan_images, select_prompts
from evalkit.spec.resolve import WITHOUT_FILES, ResolvedStudy, load_lock, lock_path
from evalkit.store import drawing
from evalkit.store.frames import AUDIT, CONTRACTS
from evalkit.store.manifest import add_stage
from evalkit.store.run import Run
from evalkit.store.run_images import content_digest, gather
from evalkit.store.thumbnails import write_thumbnail

if TYPE_CHECKING:
    import pandas as pd

TABLE, RECORD = "audit.parquet", "audit.json"
UNSAFE = "unsafe_image"


def audit(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    checks: Sequence[str] = (),
    partial: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Runs the checks of a study and writes what they found.

    Args:
        checks: only these; default: those of the study's `audit.checks`, else all.
        partial: audit the images that are there; else a missing image is an error.

    Raises:
        UnavailableError: the prompts have no translations yet.
        SpecError: an unknown check, or prompts without a base language.
        RunError: images are missing or not as they were made.
    """
    run, started = Run(settings.runs_dir / resolved.run_name), time.perf_counter()
    chosen = {name: cast(Check, registry.get("checks", name)) for name in checks or names(resolved)}
    asked = select_prompts(prompts.load(resolved.prompt_set, settings), resolved)
    require_base(asked, resolved)
    require_metrics(resolved)
    planned = plan_images(asked, resolved, device=drawing.device_of(run))
    images = gather(run, planned, settings.images_dir, partial=partial)
    with run.lock("audit", wait=settings.wait):
        material = _material(run, resolved, settings, asked, images, progress)
        if _is_done(run, _facts(chosen, material)):
            return _outcome(run, resolved, fresh=False)
        rows = [row for name, check in chosen.items() for row in _findings(name, check, material)]
        shown = _contact_sheet(run, material)
        _write(run, rows, _facts(chosen, material) | {"shown": shown})
        add_stage(run, "audit", seconds=time.perf_counter() - started, checks=list(chosen), numbers=len(rows))
    return _outcome(run, resolved, fresh=True)


def names(resolved: ResolvedStudy) -> tuple[str, ...]:
    """The checks that a study asks for; looking for faces only where it asks about people."""
    wish = resolved.study.audit or Audit()
    if wish.checks:
        return wish.checks
    return tuple(name for name in registry.names("checks") if wish.people or name != "representation")


def require_base(asked: Sequence[Prompt], resolved: ResolvedStudy) -> None:
    """Refuses prompts of which none is in the base language."""
    base = (resolved.study.audit or Audit()).base
    known = sorted({prompt.lang for prompt in asked})
    if base not in known:
        hint = f"add the {base!r} prompts, or set `audit: {{base: {known[0]}}}`"
        raise SpecError(f"no prompt in the base language {base!r}", where=str(resolved.path), hint=hint)


def require_metrics(resolved: ResolvedStudy) -> None:
    """Refuses a multilingual metric that the study does not score, or whose network reads English only."""
    known = {choice.name: choice for choice in resolved.study.metrics}
    for name in (resolved.study.audit or Audit()).multilingual:
        where = f"{resolved.path}: audit.multilingual"
        if name not in known:
            raise registry.unknown("metric among the study's", name, list(known), where=where)
        metric = cast(Metric, registry.get("metrics", name))
        if not (metric.info.multilingual or known[name].model):
            hint = "name siglip_multilingual, or give the metric a multilingual network of your own (`model:`)"
            raise SpecError(f"the network of {name} was trained on English", where=where, hint=hint)


def _material(
    run: Run,
    resolved: ResolvedStudy,
    settings: Settings,
    asked: Sequence[Prompt],
    images: pd.DataFrame,
    progress: Progress,
) -> Material:
    material = Material(
        study=resolved.study,
        audit=resolved.study.audit or Audit(),
        prompts=tuple(asked),
        images=images,
        scores=(),
        settings=settings,
        features=run.path("features"),
        tokenizers=_tokenizers(resolved, settings),
        tables=_tables(run, resolved, settings, images, progress),
        revisions=load_lock(lock_path(resolved.path)).models,
        progress=progress,
    )
    return Material(**(vars(material) | {"scores": _scores(material)}))


def _tables(
    run: Run, resolved: ResolvedStudy, settings: Settings, images: pd.DataFrame, progress: Progress
) -> dict[str, pd.DataFrame]:
    """Scores of unsafe images: those that `evalkit score` left; computed where only the study names them."""
    name = f"scores/{UNSAFE}.parquet"
    if run.has(name):
        return {"unsafe": run.read_table(name, "scores_image")}
    if all(choice.name != UNSAFE for choice in resolved.study.metrics):
        return {}
    import pandas as pd

    there = images[images["problem"] == ""].drop_duplicates("key")
    metric, workplace = cast(Metric, registry.get("metrics", UNSAFE)), Workplace(settings, run.path("features"))
    pictures = [Picture(file, sha256, "") for file, sha256 in zip(there["file"], there["sha256"], strict=True)]
    values = metric.score(pictures, replace(workplace, progress=progress)).values
    signed = signature(UNSAFE, metric, _identity(metric, workplace))
    return {"unsafe": pd.DataFrame({"image_key": there["key"], "value": values, "signature": signed})}


def _tokenizers(resolved: ResolvedStudy, settings: Settings) -> dict[str, Any]:
    """System -> its tokenizer's folder; systems without a checkpoint at hand have none."""
    found = {}
    for system, card in resolved.cards.items():
        if card.loader in WITHOUT_FILES:
            continue
        try:
            folder = models.checkpoint_folder(card, settings.root) / "tokenizer"
        except UnavailableError:
            continue
        if folder.is_dir():
            found[system] = folder
    return found


def _scores(material: Material) -> list[Scored]:
    """The study's image-level metrics: each image against its prompt in the base language, or in its own."""
    there = material.images[material.images["problem"] == ""].drop_duplicates("key")
    original = there["prompt_key"].map(material.text)
    there, original = there[original.notna()], original[original.notna()]
    pictures = [Picture(*facts) for facts in zip(there["file"], there["sha256"], original, strict=True)]
    unrelated = _unrelated(material, there)
    found = []
    for choice in material.study.metrics:
        metric = cast(Metric, registry.get("metrics", choice.name))
        if metric.info.level != "image" or choice.name == UNSAFE or not pictures:
            continue
        workplace = Workplace(material.settings, material.features, choice.model, material.progress, material.revisions)
        network = _identity(metric, workplace)
        own = choice.name in material.audit.multilingual
        scored = (
            [replace(p, prompt=text) for p, text in zip(pictures, there["prompt"], strict=True)] if own else pictures
        )
        values = dict(zip(there["key"], metric.score(scored, workplace).values, strict=True))
        others = metric.score(list(unrelated.values()), workplace).values if unrelated else []
        chance = dict(zip(unrelated, others, strict=True))
        signed = signature(choice.name, metric, network, _against(material, own=own))
        found.append(Scored(choice.name, metric.info.unit, signed, values, chance))
    return found


def _identity(metric: Metric, workplace: Workplace) -> str:
    """The network of a metric: its own word, or that of its extractor."""
    own = getattr(metric, "identity", None)
    if own is not None:
        return str(own(workplace))
    return str(registry.get("extractors", metric.info.extractor).identity(workplace.settings, workplace.model))


def _against(material: Material, *, own: bool) -> str:
    return "against each language's own text" if own else f"against the text in {material.audit.base}"


def _unrelated(material: Material, there: pd.DataFrame) -> dict[str, Picture]:
    """The images of the base language, each with the next prompt's text: what chance scores."""
    base = there[there["lang"] == material.audit.base]
    keys = list(dict.fromkeys(base["prompt_key"]))
    following = dict(zip(keys, [*keys[1:], *keys[:1]], strict=True))
    if len(keys) < 2 or not material.languages:
        return {}
    texts = [material.text(following[key]) or "" for key in base["prompt_key"]]
    return {
        str(key): Picture(file, sha256, text)
        for key, file, sha256, text in zip(base["key"], base["file"], base["sha256"], texts, strict=True)
    }


def _findings(name: str, check: Check, material: Material) -> list[Finding]:
    material.progress(f"check {name.replace('_', ' ')}", 0, 1)
    found = check.check(material)
    material.progress(f"check {name.replace('_', ' ')}", 1, 1)
    return found


def _facts(chosen: dict[str, Check], material: Material) -> dict[str, Any]:
    """What audit.json tells; the numbers hang on `inputs`."""
    inputs = [
        content_digest(material.images),
        [prompt.model_dump(mode="json") for prompt in material.prompts],
        [[scored.metric, scored.signature] for scored in material.scores],
        {name: digest(table.astype(str).to_dict("records")) for name, table in material.tables.items()},
        {name: [check.info.version, *_instruments(check, material)] for name, check in chosen.items()},
    ]
    return {
        "inputs": digest(inputs),
        "base": material.audit.base,
        "languages": material.languages,
        "controls": material.controls,
        "units": {scored.metric: scored.unit for scored in material.scores},
        "checks": {
            name: {"title": (check.__doc__ or "").strip().split("\n\n")[0], **vars(check.info)}
            for name, check in chosen.items()
        },
    }


def _instruments(check: Check, material: Material) -> list[str]:
    """What a check looks with, as it is on this machine now."""
    return list(check.instruments(material)) if hasattr(check, "instruments") else []


def _is_done(run: Run, facts: dict[str, Any]) -> bool:
    return run.has(TABLE) and run.has(RECORD) and run.read_json(RECORD).get("inputs") == facts["inputs"]


def _contact_sheet(run: Run, material: Material) -> list[str]:
    """Thumbnails of the first image of some prompts that every language has; returns their keys."""
    images = material.images[(material.images["problem"] == "") & (material.images["image_index"] == 0)]
    spoken = images.groupby("prompt_key")["lang"].nunique()
    keys = draw(sorted(spoken[spoken == spoken.max()].index), material.audit.shown, material.study.seed)
    if not material.languages:
        return []
    chosen = images[images["prompt_key"].isin(keys)]
    for key, file in zip(chosen["key"], chosen["file"], strict=True):
        write_thumbnail(run, key, file)
    return keys


def _write(run: Run, rows: list[Finding], facts: dict[str, Any]) -> None:
    import pandas as pd

    table = pd.DataFrame([row.as_row() for row in rows], columns=list(AUDIT))
    numbers = {column: "float64" for column, kind in CONTRACTS["audit"].items() if kind == "float64"}
    run.write_table(TABLE, table.astype(numbers), "audit")
    run.write_json(RECORD, facts)


def _outcome(run: Run, resolved: ResolvedStudy, *, fresh: bool) -> Outcome:
    table = run.read_table(TABLE, "audit")
    gaps = table[(table["check"] == "language_gap") & (table["measure"] == "gap")]
    lines = [_line(row) for row in gaps.itertuples()]
    said = f"{len(table)} numbers from {table['check'].nunique()} checks" if fresh else "nothing to audit: all is there"
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return Outcome(
        "\n".join([said, *lines]),
        where=run.folder,
        next=f"evalkit report {resolved.study.name}",
        facts={"run": str(run.folder), "fresh": fresh, "findings": rows},
    )


def _line(row: Any) -> str:
    if row.value != row.value:
        return f"  {row.group}  {row.system:<16} {row.lang:<14} no number: {row.note}"
    interval = f" ({row.low:+.3g} to {row.high:+.3g})" if row.low == row.low else " (no interval)"
    return f"  {row.group}  {row.system:<16} {row.lang:<14} {row.value:+.3g}{interval}, {row.prompts} prompts"
