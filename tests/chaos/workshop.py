"""The small studies that are broken: two systems of drawn shapes, their scores, their votes, and the report."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from evalkit.settings import Settings
from evalkit.spec.resolve import ResolvedStudy, resolve
from evalkit.stages.generate import generate
from evalkit.stages.report import report
from evalkit.stages.score import score
from evalkit.stages.simulate import simulate_panel
from evalkit.stages.vote import close, open_study
from evalkit.store.run import Run
from tests.chaos.phases import child
from tests.conftest import ROOT

IMAGES = 24
SECTIONS = ("summary", "methods", "gallery")


@dataclass(frozen=True)
class Workshop:
    """A checkout with a study, and a `data` folder in which it went through undisturbed."""

    root: Path

    def settings(self, data: str) -> Settings:
        own = self.root / data
        return Settings(root=self.root, data=own, reports=own / "reports", threads=1, device="cpu", _env_file=None)

    @property
    def study(self) -> ResolvedStudy:
        return resolve("trial", self.root)

    def run(self, data: str) -> Run:
        return Run(self.settings(data).runs_dir / self.study.run_name)

    def generate(self, data: str) -> None:
        generate(self.study, self.settings(data), batch_size=3)

    def score(self, data: str) -> None:
        score(self.study, self.settings(data))

    def report(self, data: str) -> None:
        report(self.run(data), self.settings(data), chosen=SECTIONS)

    def copy(self, data: str, *, without: tuple[str, ...] = ()) -> str:
        """A data folder as the undisturbed one is, some of the run's files left out; pictures are shared by links."""
        whole, new = self.root / "whole", self.root / data
        shutil.copytree(whole, new, ignore=shutil.ignore_patterns(*without), copy_function=_link_pictures)
        return data


def _link_pictures(source: str, target: str) -> str:
    """A copy; of pictures, which are never written twice, a second name."""
    if source.endswith(".png"):
        Path(target).hardlink_to(source)
        return target
    return str(shutil.copy2(source, target))


def build(root: Path) -> Workshop:
    """Makes the checkout, and runs every stage once, undisturbed, in `whole`.

    Each in a process of its own: what forks later must not have threads of torch or of the report's renderer.
    """
    from evalkit.voting import pictures
    from tests.clip_checkpoint import write_clip
    from tests.stages.drawing import procedural

    pictures.MIN_SIDE = 64
    for folder in ("studies", "data/models", "data/prompts", "data/weights"):
        (root / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "data" / "questions", root / "data" / "questions")
    rows = "".join(f"s-{number},scene number {number},en,plain\n" for number in range(IMAGES // 2))
    (root / "data/prompts/scenes.csv").write_text("key,prompt,lang,category\n" + rows)
    (root / "data/prompts/scenes.yaml").write_text("title: Scenes\nsource: data/prompts/scenes.csv\n")
    shop, own = Workshop(root), Workshop(root).settings("whole")

    def prepare() -> None:
        write_clip(root / "data/weights/tiny-clip", seed=5)
        metrics = [{"name": "clip_score", "model": "tiny-clip"}]
        procedural(root, prompts="scenes", metrics=metrics, voting={"raters": 3, "sample": 4, "images": 1})

    def vote() -> None:
        open_study(shop.study, own)
        simulate_panel(shop.study, own, seed=1)
        close(shop.study, own)

    for job in (
        prepare,
        lambda: shop.generate("whole"),
        lambda: shop.score("whole"),
        vote,
        lambda: shop.report("whole"),
    ):
        apart(job, root)
    return shop


THREADED = ("vl_convert",)
"""Begins threads of its own, which a fork would lose: each process loads it for itself"""


def warm(names: Path) -> None:
    """Loads what the stages loaded, once, in the process that the others are forked from; it runs none of it."""
    for name in names.read_text().split():
        if name not in sys.modules and name.split(".")[0] not in THREADED:
            with suppress(Exception):
                importlib.import_module(name)


def apart(job: Callable[[], None], root: Path) -> None:
    """Does a job in a process of its own.

    Raises:
        AssertionError: it failed; with what it said.
    """
    log = root / "apart.log"

    def noting() -> None:
        job()
        (root / "modules").write_text("\n".join(sorted(sys.modules)))

    _, status = os.waitpid(child(noting, root / "apart.board", log), 0)
    assert not status, log.read_text()[-2000:]
    warm(root / "modules")


Check = Callable[[Workshop, str], list[str]]
"""What is wrong in a data folder, compared with `whole`, in sentences; nothing if nothing is."""


def wrong_images(shop: Workshop, data: str) -> list[str]:
    """Lost, doubled and changed images, in the store and in the table."""
    there, whole = (_shas(shop.root / name / "images") for name in (data, "whole"))
    table, right = (shop.run(name).read_table("images.parquet", "images") for name in (data, "whole"))
    faults = [f"{len(whole.keys() - there.keys())} images lost"] if whole.keys() - there.keys() else []
    faults += [f"{len(there.keys() - whole.keys())} images too many"] if there.keys() - whole.keys() else []
    changed = [name for name in whole.keys() & there.keys() if whole[name] != there[name]]
    faults += [f"{len(changed)} images of other bytes"] if changed else []
    return faults + _differing(table.drop(columns="seconds"), right.drop(columns="seconds"), "images.parquet")


def wrong_scores(shop: Workshop, data: str) -> list[str]:
    """Lost, doubled and changed scores, thumbnails and numbers of metrics.json."""
    run, whole = shop.run(data), shop.run("whole")
    names = sorted(path.name for path in whole.path("scores").glob("*.parquet"))
    faults = []
    for name in names:
        tables = [pd.read_parquet(one.path(f"scores/{name}")) for one in (run, whole)]
        faults += _differing(*tables, f"scores/{name}")
    if run.read_json("metrics.json") != whole.read_json("metrics.json"):
        faults.append("metrics.json differs")
    thumbnails = [_bytes(one.path("thumbnails"), "*.webp") for one in (run, whole)]
    return faults + ([] if thumbnails[0] == thumbnails[1] else ["thumbnails differ"]) + wrong_images(shop, data)


def wrong_report(shop: Workshop, data: str) -> list[str]:
    """Files of the report that are lost, or have other bytes; tables and record, and what is drawn from them."""
    name = shop.study.run_name
    there, whole = (_bytes(shop.root / one / "reports" / name, "*") for one in (data, "whole"))
    lost, more = sorted(whole.keys() - there.keys()), sorted(there.keys() - whole.keys())
    changed = sorted(one for one in whole.keys() & there.keys() if _timeless(one, whole) != _timeless(one, there))
    said = {"lost": lost, "too many": more, "of other bytes": changed}
    return [f"{len(files)} files {what}: {files[:3]}" for what, files in said.items() if files]


def _timeless(name: str, files: dict[str, bytes]) -> bytes:
    """PDFs hold the moment of their making; of those, the length counts."""
    return str(len(files[name]) // 64).encode() if name.endswith(".pdf") else files[name]


def _shas(folder: Path) -> dict[str, str]:
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("[0-9a-f]*.png")}


def _bytes(folder: Path, pattern: str) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob(pattern) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not path.name.endswith(".tmp")}


def _differing(table: pd.DataFrame, whole: pd.DataFrame, name: str) -> list[str]:
    if len(table) != len(whole) or table.iloc[:, 0].duplicated().any() != whole.iloc[:, 0].duplicated().any():
        return [f"{name} has {len(table)} rows instead of {len(whole)}"]
    return [] if table.equals(whole) else [f"{name} differs"]


def leftovers(folder: Path) -> int:
    """Half-written files."""
    return sum(1 for _ in folder.rglob(".*.tmp"))


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1] if lines else ""


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
