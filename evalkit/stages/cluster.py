"""`evalkit cluster check`: whether every node of a cluster could draw a study, and what is different where."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit import models
from evalkit.engines import Engine
from evalkit.engines.ray import ask_nodes
from evalkit.errors import EvalkitError
from evalkit.models._memory import free_bytes
from evalkit.outcome import Outcome
from evalkit.settings import Settings
from evalkit.spec.catalog import ModelCard
from evalkit.spec.resolve import WITHOUT_FILES, ResolvedStudy
from evalkit.store.files import write_text
from evalkit.store.manifest import git_revision, versions

PROBE = "cluster-check"


@dataclass(frozen=True)
class Node:
    """What one node says of itself."""

    host: str
    versions: dict[str, str]
    revision: str | None
    """of evalkit's checkout"""
    gpus: list[dict[str, Any]]
    """name and memory in bytes"""
    free_bytes: float
    """of its memory"""
    missing: list[str]
    """checkpoints of the study that are not there"""
    storage: str
    """"" if it reads what this machine wrote, and its own writing succeeded; else what is wrong"""


@dataclass(frozen=True)
class Question:
    """What every node is asked; `token` lies in the storage before."""

    settings: Settings
    cards: tuple[ModelCard, ...]
    token: str

    def __call__(self) -> Node:
        return Node(
            host=platform.node(),
            versions=versions(),
            revision=git_revision(Path(__file__).parent),
            gpus=_gpus(),
            free_bytes=free_bytes("cpu"),
            missing=[card.name for card in self.cards if not _has(card, self.settings)],
            storage=_reaches(self.settings.storage_dir / PROBE, self.token),
        )


def check(resolved: ResolvedStudy, settings: Settings, *, engine: Engine) -> Outcome:
    """Asks every node, and compares.

    Args:
        engine: the cluster, connected.
    """
    folder, token = settings.storage_dir / PROBE, secrets.token_hex(8)
    write_text(folder / token, token)
    cards = tuple({card.name: card for card in resolved.cards.values()}.values())
    question = Question(settings, cards, token)
    nodes, here = ask_nodes(question), question()
    for path in folder.glob(f"{token}*"):
        path.unlink(missing_ok=True)
    wrong = list(problems(nodes, here))
    facts = {
        "workers": engine.workers,
        "nodes": {name: asdict(node) if node else None for name, node in nodes.items()},
        "fit": not wrong,
        "problems": wrong,
    }
    said = [*(_line(name, node) for name, node in nodes.items()), _verdict(len(nodes), engine.workers, wrong)]
    following = f"evalkit generate {resolved.study.name} --engine ray" if not wrong else ""
    return Outcome("\n".join(said), next=following, facts=facts, warnings=tuple(wrong))


def problems(nodes: dict[str, Node | None], here: Node) -> Iterator[str]:
    """What keeps a node from drawing the same images, in words."""
    for name, node in nodes.items():
        if node is None:
            yield f"{name}: no answer: is evalkit installed there?"
            continue
        if node.storage:
            yield f"{name}: the storage: {node.storage}"
        if node.revision != here.revision:
            yield f"{name}: evalkit at revision {node.revision}, here {here.revision}"
        for package in sorted(node.versions.keys() | here.versions.keys()):
            there, mine = node.versions.get(package), here.versions.get(package)
            if there != mine:
                yield f"{name}: {package} {there or 'not installed'}, here {mine or 'not installed'}"
        if node.missing:
            yield f"{name}: no checkpoint of {', '.join(node.missing)}: run `evalkit fetch` there"
    kinds = {gpu["name"] for node in nodes.values() if node for gpu in node.gpus}
    if len(kinds) > 1:
        yield f"GPUs of {len(kinds)} kinds ({', '.join(sorted(kinds))}): images differ in their last bits by kind"


def _gpus() -> list[dict[str, Any]]:
    try:
        import torch
    except ImportError:
        return []
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [{"name": gpu.name, "bytes": gpu.total_memory} for gpu in found]


def _has(card: ModelCard, settings: Settings) -> bool:
    try:
        return card.loader in WITHOUT_FILES or models.checkpoint_folder(card, settings.root).is_dir()
    except EvalkitError:
        return False


def _reaches(folder: Path, token: str) -> str:
    try:
        if (folder / token).read_text(encoding="utf-8") != token:
            return "another content than was written"
        write_text(folder / f"{token}-{platform.node()}-{secrets.token_hex(4)}", token)
    except FileNotFoundError:
        return f"{folder.parent} is not shared: what was written elsewhere is not there"
    except Exception as error:  # a bucket's client raises many kinds
        return f"{type(error).__name__}: {error}"
    return ""


def _line(name: str, node: Node | None) -> str:
    if node is None:
        return f"  {name:<22} no answer"
    gpus = ", ".join(f"{gpu['name']} {gpu['bytes'] / 1e9:.0f} GB" for gpu in node.gpus) or "no GPU"
    return f"  {name:<22} {node.host}: {gpus}; {node.free_bytes / 1e9:.1f} GB free; evalkit {node.versions['evalkit']}"


def _verdict(nodes: int, workers: int, wrong: list[str]) -> str:
    if wrong:
        return f"{nodes} nodes, {len(wrong)} problems"
    return f"{nodes} nodes, room for {workers} workers: the same versions, checkpoints and storage on each"
