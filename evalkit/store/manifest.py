"""The manifest of a run: what was done, by which versions, on which machine."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store.files import write_bytes
from evalkit.store.run import Run

PACKAGES = (
    *("torch", "torchvision", "diffusers", "transformers", "torchmetrics", "datasets"),
    *("numpy", "scipy", "pandas", "pillow", "statsmodels", "streamlit", "sqlalchemy"),
)


def begin(run: Run, resolved: ResolvedStudy) -> None:
    """Makes the run folder: the study file as it was written, and everything that it named."""
    if not run.has("study.yaml"):
        write_bytes(run.path("study.yaml"), resolved.path.read_bytes())
    if not run.has("resolved.json"):
        run.write_json("resolved.json", as_record(resolved))


def as_record(resolved: ResolvedStudy) -> dict[str, Any]:
    """The resolved study as JSON: what a report needs to know, without the checkout."""
    return {
        "sha": resolved.sha,
        "study": resolved.study.model_dump(mode="json"),
        "cards": {name: card.model_dump(mode="json") for name, card in resolved.cards.items()},
        "prompt_set": resolved.prompt_set.model_dump(mode="json"),
        "questions": [question.model_dump(mode="json") for question in resolved.questions],
    }


def add_stage(run: Run, stage: str, *, seconds: float, **facts: Any) -> None:
    """Adds one line on a finished stage to manifest.json."""
    manifest = run.read_json("manifest.json") if run.has("manifest.json") else {"stages": []}
    manifest["stages"].append(
        {
            "stage": stage,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            **facts,
            "versions": versions(),
            "git": git_revision(Path(__file__).parent),
            "hardware": hardware(),
        }
    )
    run.write_json("manifest.json", manifest)


def versions() -> dict[str, str]:
    """The versions of evalkit, Python and the packages that can change a number."""
    found = {"evalkit": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_revision(folder: Path) -> str | None:
    """The revision of the checkout that ran, with "+changes" where the tree was not clean; None outside of git."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def hardware() -> dict[str, Any]:
    """The machine: processor, cores, accelerator. Looks at torch only where it is already loaded."""
    import os

    facts: dict[str, Any] = {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None:
        facts["torch_threads"] = torch.get_num_threads()
        facts["accelerator"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
