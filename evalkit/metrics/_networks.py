"""Where the published weights of a metric lie: a folder on disk, or a hub repository at a pinned revision.

A card of data/networks/ says what they are. In order: the study's own choice (`model:`), the folder data/weights/CARD,
the hub's cache or the hub at the card's revision, or at that of the study's lock file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evalkit import registry
from evalkit.errors import SpecError, UnavailableError
from evalkit.metrics._metric import Workplace
from evalkit.spec.catalog import UNPINNED, Catalog, NetworkCard
from evalkit.spec.fingerprint import folder_digest

_HUB = re.compile(r"^([\w.-]+/[\w.-]+)@([0-9a-f]{40})$")


@dataclass(frozen=True)
class Network:
    """Weights that were found: `source` is a folder (then `revision` is None) or a hub repository."""

    card: NetworkCard
    source: str
    revision: str | None
    label: str
    """as signatures carry it: card:digest"""

    @property
    def model(self) -> str:
        """As extractors take it."""
        return f"{self.source}@{self.revision}" if self.revision else self.source

    def file(self, name: str) -> Path:
        """One of its files on this disk.

        Raises:
            UnavailableError: it is not there and cannot be fetched.
        """
        path = Path(self.source) / name if self.revision is None else _from_hub(self, name)
        if not path.is_file():
            hint = "copy it there, or take the folder away to have it from the hub"
            raise UnavailableError(f"{self.card.title}: no file {name}", where=self.source, hint=hint)
        return path


def find_network(name: str, workplace: Workplace, *, chosen: bool = True) -> Network:
    """The weights of a card.

    Args:
        chosen: the study's `model:` may replace it (not so for the base of another card).

    Raises:
        SpecError: the study's choice is neither a folder nor owner/name@revision.
        UnavailableError: its revision is in neither the card nor the study's lock file.
    """
    card, root = Catalog(workplace.settings.root).network(name), workplace.settings.root
    wanted = workplace.model if chosen else None
    for folder in _folders(root, wanted or name):
        if folder.is_dir():
            return Network(card, str(folder), None, f"{folder.name}:{folder_digest(folder)[:8]}")
    if wanted:
        return _chosen_on_hub(card, wanted)
    revision = workplace.revisions.get(name, card.revision)
    if revision == UNPINNED:
        hint = f"`evalkit fetch STUDY` pins and downloads it; or put its files into data/weights/{name}/"
        raise UnavailableError(f"{card.title}: its revision is not pinned yet", where=card.source, hint=hint)
    return Network(card, card.source, revision, f"{name}:{revision[:8]}")


def find_base(network: Network, workplace: Workplace) -> Network:
    """What completes a network: its own folder, where that holds a configuration, else the card's base."""
    if network.revision is None and (Path(network.source) / "config.json").is_file():
        return network
    return find_network(str(network.card.base), workplace, chosen=False)


def joint_label(network: Network, base: Network) -> str:
    """Both in one label, once where they are the same."""
    return network.label if base is network else f"{network.label}+{base.label}"


def cards_of(metrics: Iterable[str], root: Path) -> list[NetworkCard]:
    """The cards that metrics need, those of their bases included."""
    catalog, found = Catalog(root), dict[str, NetworkCard]()
    names = [registry.get("metrics", metric).info.network for metric in metrics]
    while names:
        if (name := names.pop()) is not None and name not in found:
            found[name] = catalog.network(name)
            names.append(found[name].base)
    return list(found.values())


def unpinned(metrics: Iterable[str], root: Path, revisions: Mapping[str, str]) -> list[str]:
    """The cards that metrics need and whose revision is neither pinned nor locked, nor their files on this disk."""
    open_ = [card.name for card in cards_of(metrics, root) if card.revision == UNPINNED and card.name not in revisions]
    return sorted(name for name in open_ if not (root / "data" / "weights" / name).is_dir())


def _folders(root: Path, name: str) -> tuple[Path, Path]:
    return root / "data" / "weights" / name, root / name


def _chosen_on_hub(card: NetworkCard, wanted: str) -> Network:
    found = _HUB.match(wanted)
    if not found:
        hint = "write owner/name@REVISION with its 40 hexadecimal digits, or the path of a folder"
        raise SpecError(f"no network {wanted!r} for {card.title}", hint=hint)
    return Network(card, found[1], found[2], f"{found[1].split('/')[1]}:{found[2][:8]}")


def _from_hub(network: Network, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(network.source, name, revision=network.revision))
    except Exception as error:  # the hub's client raises many kinds
        told = str(error).strip().splitlines()[0][:150] if str(error).strip() else type(error).__name__
        hint = f"fetch it once while online, or put {name} into data/weights/{network.card.name}/"
        raise UnavailableError(
            f"{network.card.title} cannot be fetched: {told}", where=network.source, hint=hint
        ) from error
