"""`evalkit fetch`: pins the revisions that a study leaves open, and brings all that it needs to this machine.

That is: checkpoints of the models, networks of the metrics, prompts, and the reference set. A revision is resolved once
and kept in studies/NAME.lock.yaml, which belongs to the study: commit it. Sizes and free disk are looked at before the
first byte; a broken download goes on where it stopped. `to` writes an offline mirror as well, `source` uses one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evalkit import prompts, registry
from evalkit.errors import UnavailableError
from evalkit.metrics._networks import cards_of
from evalkit.metrics._reference import find_reference
from evalkit.models._hub_files import chosen_files, named_files
from evalkit.outcome import Outcome, Progress, silent
from evalkit.prompts import captions
from evalkit.settings import Settings
from evalkit.spec.catalog import UNPINNED, Catalog, ModelCard, NetworkCard, PromptSet
from evalkit.spec.resolve import Lock, ResolvedStudy, find_prompt_set, load_lock, lock_path
from evalkit.store import mirror
from evalkit.store.files import write_text
from evalkit.store.hub import Kind, RemoteFile, Repository, cache_folder, look_up
from evalkit.store.mirror import MEGABYTE, Item

NETWORK = re.compile(r"^([\w.-]+/[\w.-]+)@([0-9a-f]{40})$")
NETWORK_FILES = re.compile(r"[^/]+\.(json|txt|model|safetensors)")
TABLES = (".tsv", ".csv", ".jsonl", ".txt")


@dataclass(frozen=True)
class Need:
    """A repository that a study needs something of, as cards and metrics name it."""

    kind: Kind
    source: str
    revision: str | None
    card: ModelCard | NetworkCard | None = None
    prompt_set: PromptSet | None = None

    def files(self, there: Sequence[RemoteFile]) -> list[RemoteFile]:
        """Those of the repository's files that are needed."""
        if isinstance(self.card, NetworkCard):
            return named_files(self.card, there)
        if self.card is not None:
            return chosen_files(self.card, there)
        if self.prompt_set is not None:
            wanted = ".parquet" if self.prompt_set.table else TABLES
            return [file for file in there if file.name.lower().endswith(wanted)]
        return [file for file in there if NETWORK_FILES.fullmatch(file.name)]


@dataclass(frozen=True)
class Download:
    """A need at its commit, with its files."""

    need: Need
    repository: Repository
    files: tuple[RemoteFile, ...]

    @property
    def lacking(self) -> list[RemoteFile]:
        return [file for file in self.files if self.repository.cached(file.name) is None]

    def items(self) -> list[Item]:
        """Its files, where they lie here, and their place in a mirror."""
        root = f"{self.repository.kind}s/{self.repository.name}/{self.repository.revision}"
        found = ((file.name, self.repository.cached(file.name)) for file in self.files)
        return [Item(f"{root}/{name}", here or self.repository.place(name)) for name, here in found]


def fetch(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    to: Path | None = None,
    source: Path | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Resolves open revisions, writes the lock file, downloads.

    Args:
        to: a folder that gets a copy of all of it, for machines without a hub.
        source: such a folder; nothing else is asked then.

    Raises:
        UnavailableError: the hub cannot be reached or refuses, the disk is too small, or the mirror is incomplete.
        ModelError: a repository has none of the card's files, or not the card's revision.
    """
    if resolved.study.reference not in {one.table for one in _sets(resolved)}:
        find_reference(resolved.study.reference, resolved.root)
    if source is not None:
        return _from_mirror(resolved, settings, source, progress)
    downloads = [_survey(need) for need in needs(resolved, settings)]
    lock = _write_lock(resolved, downloads)
    lacking = [(download.repository, file) for download in downloads for file in download.lacking]
    own = {module.to_download(settings) for module in _with_own_weights(resolved)}
    to_get = [*((cache_folder(), file.bytes) for _, file in lacking), *own]
    total, done = sum(size for _, size in to_get), 0
    mirror.check_disks([*to_get, *_to_unpack(downloads, resolved)])
    for repository, file in lacking:
        repository.download(file.name)
        done += file.bytes
        progress("megabytes", done // MEGABYTE, total // MEGABYTE)
    weights = [Item(f"weights/{path.name}", path) for path in _weights(resolved, settings)]
    progress("megabytes", total // MEGABYTE, total // MEGABYTE)
    _unpack(downloads, resolved)
    prompts.load(_locked(_prompts(resolved), lock), settings)
    facts = {
        "revisions": _revisions(downloads),
        "files": len(lacking) + sum(size > 0 for _, size in own),
        "bytes": total,
    }
    if to is not None:
        items = [item for download in downloads for item in download.items()] + weights
        facts["copied_bytes"] = mirror.write(to, items, resolved.study.name, lock.model_dump(), progress)
    return _outcome(resolved, facts, to)


def needs(resolved: ResolvedStudy, settings: Settings) -> list[Need]:
    """Everything that a study takes from a hub: models, networks of metrics, prompts, the reference set."""
    cards = {card.name: card for card in resolved.cards.values() if card.is_hub}
    found = [Need("model", card.source, _pin(card.revision), card=card) for card in cards.values()]
    locked = load_lock(lock_path(resolved.path)).models
    for network in _network_cards(resolved):
        revision = locked.get(network.name) or _pin(network.revision)
        found.append(Need("model", network.source, revision, card=network))
    for name, pin in dict.fromkeys(_networks(resolved)):
        if not (resolved.root / name).is_dir():
            found.append(Need("model", name, pin))
    for one in _sets(resolved):
        instead = settings.parti if one.loader == "parti" else one.table and captions.is_own(resolved.root / one.table)
        if one.revision is not None and not instead:
            found.append(Need("dataset", one.source, _pin(one.revision), prompt_set=one))
    return found


def _sets(resolved: ResolvedStudy) -> list[PromptSet]:
    """The study's prompt set, and those of the catalogue that its reference sets are unpacked from."""
    catalog, lock = Catalog(resolved.root), load_lock(lock_path(resolved.path))
    found = [_prompts(resolved)]
    named = {resolved.study.reference, resolved.study.training_set} - {None, found[0].table}
    others = [find_prompt_set(name, catalog, lock) for name in catalog.names("prompts")] if named else []
    return found + [one for one in others if one.table in named]


def _tables(downloads: Sequence[Download], resolved: ResolvedStudy) -> Iterable[tuple[Download, PromptSet, Path]]:
    """The downloads that hold captions with pictures, and the table that each is unpacked to."""
    for download in downloads:
        if (one := download.need.prompt_set) and one.table:
            yield download, one, resolved.root / one.table


def _to_unpack(downloads: Sequence[Download], resolved: ResolvedStudy) -> list[tuple[Path, int]]:
    """Bytes by place that unpacked pictures take: as many as the files that hold them."""
    all_of_them = ((download, table) for download, _, table in _tables(downloads, resolved))
    lacking = [one for one in all_of_them if not captions.is_unpacked(one[1], one[0].repository.revision)]
    return [(table, sum(file.bytes for file in download.files)) for download, table in lacking]


def _unpack(downloads: Sequence[Download], resolved: ResolvedStudy) -> None:
    for download, one, table in _tables(downloads, resolved):
        files = [path for file in download.files if (path := download.repository.cached(file.name))]
        captions.unpack(one, download.repository.revision, files, table)


def _network_cards(resolved: ResolvedStudy) -> list[NetworkCard]:
    """The cards of the metrics' weights, where the study names no others, and their files do not lie here already."""
    free = [choice.name for choice in resolved.study.metrics if choice.model is None]
    cards = cards_of(free, resolved.root)
    return [card for card in cards if not (resolved.root / "data" / "weights" / card.name).is_dir()]


def _prompts(resolved: ResolvedStudy) -> PromptSet:
    """The study's prompt set; of translations, the set that is translated."""
    if resolved.prompt_set.base is None:
        return resolved.prompt_set
    return find_prompt_set(resolved.prompt_set.base, Catalog(resolved.root), load_lock(lock_path(resolved.path)))


def _pin(revision: str | None) -> str | None:
    return None if revision == UNPINNED else revision


def _extractors(resolved: ResolvedStudy) -> Iterable[tuple[Any, str | None]]:
    """The feature networks of the study's metrics: module, and the study's own choice of checkpoint."""
    for choice in resolved.study.metrics:
        info = registry.get("metrics", choice.name).info
        if info.network and choice.model is None:
            continue  # its card says what it needs
        if info.extractor in registry.names("extractors"):
            yield registry.get("extractors", info.extractor), choice.model


def _networks(resolved: ResolvedStudy) -> Iterable[tuple[str, str]]:
    """The hub repositories among them, written owner/name@revision."""
    for module, model in _extractors(resolved):
        if match := NETWORK.match(str(model or getattr(module, "DEFAULT", ""))):
            yield match[1], match[2]


def _weights(resolved: ResolvedStudy, settings: Settings) -> list[Path]:
    """Weight files that an extractor downloads by itself (Inception's), got now; each once."""
    return list(dict.fromkeys(module.weights_file(settings) for module in _with_own_weights(resolved)))


def _with_own_weights(resolved: ResolvedStudy) -> list[Any]:
    return [module for module, _ in _extractors(resolved) if hasattr(module, "to_download")]


def _survey(need: Need) -> Download:
    repository, there = look_up(need.kind, need.source, need.revision)
    return Download(need, repository, tuple(need.files(there)))


def _write_lock(resolved: ResolvedStudy, downloads: Iterable[Download]) -> Lock:
    """Adds the revisions that were open to the lock file; those that it holds stay."""
    open_ones = [item for item in downloads if item.need.revision is None]
    models = {item.need.card.name: item.repository.revision for item in open_ones if item.need.card}
    sets = {item.need.prompt_set.name: item.repository.revision for item in open_ones if item.need.prompt_set}
    return _add_to_lock(resolved, Lock(models=models, prompts=sets))


def _add_to_lock(resolved: ResolvedStudy, new: Lock) -> Lock:
    path = lock_path(resolved.path)
    before = load_lock(path)
    lock = Lock(models=new.models | before.models, prompts=new.prompts | before.prompts)
    if lock != before:
        head = f"# Revisions that the hub gave for {resolved.path.name}; part of the study: commit it.\n"
        write_text(path, head + yaml.safe_dump(lock.model_dump(), sort_keys=True))
    return lock


def _locked(prompt_set: PromptSet, lock: Lock) -> PromptSet:
    revision = lock.prompts.get(prompt_set.name, prompt_set.revision)
    return prompt_set.model_copy(update={"revision": revision})


def _from_mirror(resolved: ResolvedStudy, settings: Settings, folder: Path, progress: Progress) -> Outcome:
    """Everything from a mirror: files into the hub's cache, open revisions from the mirror's lock."""
    record = mirror.read(folder)
    lock = _add_to_lock(resolved, Lock(**record.locks.get(resolved.study.name, {})))
    wanted = needs(resolved, settings)
    downloads = [_mirrored(need, _known(need, lock, folder), record, folder) for need in wanted]
    items = [item for download in downloads for item in download.items()]
    items += [_weight(place, settings) for place in record.files if place.startswith("weights/")]
    copied = mirror.use(folder, record, items, progress, _to_unpack(downloads, resolved))
    _unpack(downloads, resolved)
    prompts.load(_locked(_prompts(resolved), lock), settings)
    facts = {"revisions": _revisions(downloads), "files": len(items), "bytes": copied}
    return _outcome(resolved, facts, None)


def _known(need: Need, lock: Lock, folder: Path) -> str:
    known = lock.models.get(need.card.name) if need.card else None
    known = lock.prompts.get(need.prompt_set.name) if need.prompt_set else known
    if found := need.revision or known:
        return found
    hint = "write the mirror for this study: `evalkit fetch STUDY --to DIR`"
    raise UnavailableError(f"the mirror does not know the revision of {need.source}", where=str(folder), hint=hint)


def _mirrored(need: Need, revision: str, record: mirror.Mirror, folder: Path) -> Download:
    repository = Repository(need.kind, need.source, revision)
    root = f"{need.kind}s/{repository.name}/{repository.revision}/"
    there = [
        RemoteFile(place.removeprefix(root), facts["bytes"])
        for place, facts in record.files.items()
        if place.startswith(root)
    ]
    if not there:
        hint = "write it again where a hub is reached: `evalkit fetch STUDY --to DIR`"
        where = f"{folder}/{root}"
        raise UnavailableError(f"the mirror has no {need.source} at this revision", where=where, hint=hint)
    return Download(need, repository, tuple(need.files(there)))


def _weight(place: str, settings: Settings) -> Item:
    return Item(place, settings.root / "data" / "weights" / Path(place).name)


def _revisions(downloads: Iterable[Download]) -> dict[str, str]:
    return {item.need.card.name if item.need.card else item.need.source: item.repository.revision for item in downloads}


def _outcome(resolved: ResolvedStudy, facts: dict[str, Any], to: Path | None) -> Outcome:
    size = f"{facts['bytes'] / MEGABYTE:,.1f} MB"
    said = f"{facts['files']} files, {size} fetched" if facts["bytes"] else "everything is there"
    if to is not None:
        said += f"; {facts['copied_bytes'] / MEGABYTE:,.1f} MB copied to {to}"
    lock = lock_path(resolved.path)
    step = f"evalkit generate {resolved.study.name}"
    return Outcome(said, where=lock if lock.is_file() else None, next=step, facts=facts)
