"""`evalkit bench`: how long the systems of a study take, part by part and whole, on this machine.

Systems take turns within every round, each part is timed with the device's queue empty, compilation and loading stay
apart, and the seconds of every round are kept, so that ratios have intervals. Nothing of it changes a study's SHA.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit import models, runtimes
from evalkit.errors import ModelError, SpecError
from evalkit.models._pipeline import denoiser
from evalkit.models._random import load_random
from evalkit.outcome import Outcome, Progress, silent
from evalkit.runtimes._cell import PROBE_STEPS, PROMPTS, Cell, calls_of, network_calls, operations, prepare, timed
from evalkit.runtimes._fidelity import fidelity
from evalkit.runtimes._neighbours import clocks, share_of_others
from evalkit.runtimes._rounds import images_in_rounds, parts_in_rounds
from evalkit.settings import Settings
from evalkit.spec.plan import number_format
from evalkit.spec.resolve import WITHOUT_FILES, ResolvedStudy
from evalkit.spec.study import System
from evalkit.stats.estimate import Estimate
from evalkit.stats.ratio import median_band, paired_ratio
from evalkit.store.manifest import add_stage, begin, hardware, versions
from evalkit.store.run import Run

STAGES = ("text", "step", "vae", "safety", "write")
SAID = {"step_ratios": "a step of", "step_ratios_of_processor_time": "by processor time"}
Key = tuple[str, str, int]
"""System, runtime, batch size."""
BUSY = 0.05
"""Share of the processor that other work may take before seconds are doubted."""


@dataclass(frozen=True)
class Asked:
    """What to measure. `longest`: whole images are drawn only where one is expected within so many seconds.
    `contiguous`: tensors lie in memory as diffusers leaves them, not channels last as `evalkit generate` draws."""

    systems: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ("pytorch",)
    steps: tuple[int, ...] = ()
    batch_sizes: tuple[int, ...] = (1,)
    stages: tuple[str, ...] = STAGES
    rounds: int = 10
    longest: float = 60.0
    random_weights: bool = False
    contiguous: bool = False


def bench(
    resolved: ResolvedStudy, settings: Settings, *, asked: Asked = Asked(), progress: Progress = silent
) -> Outcome:
    """Measures and writes latency.parquet (a row a measurement) and latency.json (what was measured, and how).

    Raises:
        SpecError: a system or stage that there is not, or a study whose systems have no network.
        UnavailableError: a checkpoint is not there; `random_weights` needs none.
        MissingExtraError: a runtime's package is not installed.
    """
    asked, run = _checked(asked, resolved), Run(settings.runs_dir / resolved.run_name)
    started = time.perf_counter()
    with run.lock("bench", wait=settings.wait), tempfile.TemporaryDirectory() as scratch:
        begin(run, resolved)
        device = models.prepare_torch(settings)
        cells, failed = _cells(resolved, settings, asked, device, Path(scratch), progress)
        if not cells:
            raise ModelError("no system could be run", where=str(resolved.path), hint="; ".join(failed))
        before = clocks()
        rows = parts_in_rounds(cells, asked.stages, asked.rounds, device, progress)
        affordable = [cell for cell in cells if _expected(cell, rows, asked) <= asked.longest]
        images, drawn = images_in_rounds(affordable, asked.steps, asked.rounds, device, progress)
        elsewhere = {"busy_elsewhere": share_of_others(before, clocks())}
        record = _record(cells, asked, device, failed) | {"fidelity": fidelity(drawn)} | elsewhere
        run.write_table("latency.parquet", pd.DataFrame(rows + images), "latency")
        run.write_json("latency.json", record)
        add_stage(run, "bench", seconds=time.perf_counter() - started, measurements=len(rows) + len(images))
    return _done(run, cells, rows, images, record, failed)


def _checked(asked: Asked, resolved: ResolvedStudy) -> Asked:
    """The same with the study's own systems and steps, where none are named."""
    drawing = [s for s in resolved.study.systems if resolved.cards[s.name].loader not in WITHOUT_FILES]
    if not drawing:
        raise SpecError("none of the systems has a network to measure", where=str(resolved.path))
    for name in asked.systems:
        resolved.study.system(name)
    for name in asked.runtimes:
        runtimes.get(name)
    if strangers := set(asked.stages) - set(STAGES):
        raise SpecError(
            f"no stage {', '.join(sorted(strangers))}", where="--stages", hint=f"known: {', '.join(STAGES)}"
        )
    published = resolved.study.published_latency
    steps = {system.sampling.steps for system in drawing} | {row.steps for row in (published.rows if published else ())}
    stages = asked.stages if "step" in asked.stages else (*asked.stages, "step")
    systems = asked.systems or tuple(_apart(drawing))
    return replace(asked, systems=systems, steps=asked.steps or tuple(sorted(steps, reverse=True)), stages=stages)


def _apart(drawing: Sequence[System]) -> Iterator[str]:
    """Of systems that differ in their steps alone the first: steps are measured one by one."""
    seen = set()
    for system in drawing:
        kind = system.model, system.sampling.model_dump_json(exclude={"steps"})
        if kind not in seen:
            seen.add(kind)
            yield system.name


def _cells(
    resolved: ResolvedStudy, settings: Settings, asked: Asked, device: str, scratch: Path, progress: Progress
) -> tuple[list[Cell], list[str]]:
    """Every system on every runtime at every batch size, warmed up; and what could not be run, with its reason."""
    cells, failed, total = list[Cell](), list[str](), len(asked.systems) * len(asked.runtimes) * len(asked.batch_sizes)
    for cell in _plain_cells(resolved, settings, asked, device):
        for runtime in asked.runtimes:
            ready = replace(cell, runtime=runtime, facts=dict(cell.facts))
            folder = scratch / f"{cell.system}-{runtime}-{cell.batch_size}"
            folder.mkdir()
            try:
                prepare(ready, folder)
                cells.append(ready)
            except ModelError as error:
                failed.append(error.what)
            progress("networks ready", len(cells) + len(failed), total)
    return cells, failed


def _plain_cells(resolved: ResolvedStudy, settings: Settings, asked: Asked, device: str) -> Iterator[Cell]:
    """Every system at every batch size by plain PyTorch, with the calls that one drawing makes."""
    for name in asked.systems:
        loading = partial(_load, resolved, name, settings, asked, device)
        seconds, _, generator = timed(loading, device)
        sampling = resolved.study.system(name).sampling

        def draw(texts: Sequence[str], seeds: Sequence[int], steps: int, g: Any = generator, s: Any = sampling) -> Any:
            return g.generate(texts, seeds, s.model_copy(update={"steps": steps}))

        size = resolved.cards[name].size
        facts: dict[str, Any] = {
            "load_seconds": None if asked.random_weights else seconds,
            "width": sampling.width or size,
            "height": sampling.height or size,
        }
        for count in asked.batch_sizes:
            texts = [f"{PROMPTS[i % len(PROMPTS)]}, {i}" for i in range(count)]
            probe = lambda t=texts, d=draw: d(t, list(range(len(t))), PROBE_STEPS)  # noqa: E731
            calls = calls_of(generator.pipeline, probe, asked.stages)
            call = calls["step"][0]
            facts |= {
                "parameters": sum(weight.numel() for weight in call.network.parameters()),
                "operations_per_step": operations(call),
                "network_calls": {str(n): network_calls(generator.pipeline, n) for n in asked.steps},
                "dtype": str(next(call.network.parameters()).dtype).removeprefix("torch."),
            }
            yield Cell(name, "pytorch", count, draw, calls, call.network.forward, dict(facts))


def _load(resolved: ResolvedStudy, name: str, settings: Settings, asked: Asked, device: str) -> Any:
    import torch

    card = resolved.cards[name]
    if asked.random_weights:
        dtype = getattr(torch, number_format(card, device))
        generator: Any = load_random(card, settings.root, dtype=dtype, device=device)
    else:
        generator = models.load(card, settings)
    if asked.contiguous:
        denoiser(generator.pipeline).to(memory_format=torch.contiguous_format)
    return generator


def _expected(cell: Cell, rows: Sequence[dict[str, Any]], asked: Asked) -> float:
    """Seconds that a batch is expected to take at the most steps asked for."""
    mine = [row for row in rows if _is_of(row, cell)]
    calls = max(cell.facts["network_calls"].values())
    return sum(
        (median_band([row["seconds"] for row in mine if row["stage"] == stage]).value or 0.0)
        * (calls if stage == "step" else 1)
        for stage in asked.stages
    )


def _is_of(row: dict[str, Any], cell: Cell) -> bool:
    return all(row[key] == getattr(cell, key) for key in ("system", "runtime", "batch_size"))


def _record(cells: Sequence[Cell], asked: Asked, device: str, failed: Sequence[str]) -> dict[str, Any]:
    """What was measured, how, and on what."""
    machine = hardware()
    where = machine.get("accelerator") or machine["processor"]
    shared = {"device": device, "hardware": where, "threads": machine.get("torch_threads")}
    rows, layout = [], "contiguous|" if asked.contiguous else ""
    for cell in cells:
        facts = cell.facts
        signature = (
            f"latency|{cell.runtime}|{where}|{facts['dtype']}|threads={shared['threads']}|batch={cell.batch_size}"
            f"|{facts['width']}x{facts['height']}|{layout}rounds={asked.rounds}|torch-{versions().get('torch')}"
            f"|evalkit-{versions()['evalkit']}"
        )
        named = {"system": cell.system, "runtime": cell.runtime, "batch_size": cell.batch_size}
        rows.append(named | facts | {"signature": signature})
    return shared | {
        "runtime_titles": {name: runtimes.get(name).info["title"] for name in asked.runtimes},
        "random_weights": asked.random_weights,
        "contiguous": asked.contiguous,
        "stages": list(asked.stages),
        "steps": list(asked.steps),
        "rounds": asked.rounds,
        "cells": rows,
        "failed": list(failed),
        "machine": machine,
    }


def _done(
    run: Run,
    cells: Sequence[Cell],
    rows: list[dict[str, Any]],
    images: list[dict[str, Any]],
    record: dict[str, Any],
    failed: list[str],
) -> Outcome:
    medians = {"/".join(map(str, key)): median_band(found).value for key, found in _steps(cells, rows).items()}
    ratios = {"step_ratios": _ratios(_steps(cells, rows))}
    if record["device"] == "cpu" and record["threads"] == 1:
        ratios["step_ratios_of_processor_time"] = _ratios(_steps(cells, rows, "cpu_seconds"))
    said = [f"{name}: {seconds:.3g} s a step" for name, seconds in medians.items()]
    said += [f"{SAID[kind]} {pair}: {_as_text(ratio)}" for kind, of in ratios.items() for pair, ratio in of.items()]
    return Outcome(
        "; ".join(said),
        where=run.path("latency.parquet"),
        next=f"evalkit report {run.folder}",
        facts={
            "run": str(run.folder),
            "step_seconds": medians,
            **{kind: {pair: asdict(ratio) for pair, ratio in of.items()} for kind, of in ratios.items()},
            "rounds": record["rounds"],
            "busy_elsewhere": record["busy_elsewhere"],
            "cells": record["cells"],
        },
        warnings=tuple(_warnings(record, failed, bool(images))),
    )


def _steps(cells: Sequence[Cell], rows: list[dict[str, Any]], column: str = "seconds") -> dict[Key, list[float]]:
    """Seconds of a step, round by round."""
    mine = {
        (c.system, c.runtime, c.batch_size): [r for r in rows if _is_of(r, c) and r["stage"] == "step"] for c in cells
    }
    return {key: [row[column] for row in found] for key, found in mine.items()}


def _ratios(steps: dict[Key, list[float]]) -> dict[str, Estimate]:
    """System over system, where runtime and batch size are the same."""
    pairs = [(one, other) for one, other in combinations(steps, 2) if one[1:] == other[1:]]
    return {
        f"{one[0]} / {other[0]} ({one[1]}, batch {one[2]})": paired_ratio(steps[one], steps[other])
        for one, other in pairs
    }


def _as_text(ratio: Estimate) -> str:
    interval = f" ({ratio.low:.3f}-{ratio.high:.3f})" if ratio.low is not None else f", {ratio.note}"
    return f"{ratio.value:.3f}{interval}, n = {ratio.n} rounds"


def _warnings(record: dict[str, Any], failed: list[str], images: bool) -> Iterator[str]:
    yield from failed
    if not images:
        yield "no whole image was drawn: one would take longer than --longest"
    if record["random_weights"]:
        yield "random weights: speeds are real, pictures are noise"
    elsewhere = record["busy_elsewhere"]
    if record["device"] == "cpu" and elsewhere is not None and elsewhere > BUSY:
        yield f"other work took {elsewhere:.0%} of the processor meanwhile: measure again on a quiet machine"
