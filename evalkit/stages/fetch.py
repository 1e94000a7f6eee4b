"""`evalkit fetch`: pins the revisions that a study leaves open, and brings all that it needs to this machine.

That is: checkpoints of the models, networks of the metrics, prompts, and the reference set. A revision is resolved once
and kept in studies/NAME.lock.yaml, which belongs to the study: commit it. Sizes and free disk are looked at before the
first byte; a broken download goes on where it stopped. `to` writes an offline mirror as well, `source` uses one.
"""

from __future__ import annotations

import inspect
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
            return [file for file in there if file.name.lower().endswith(TABLES)]
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
    find_reference(resolved.study.reference, resolved.root)
    if source is not None:
        return _from_mirror(resolved, settings, source, progress)
    downloads = [_survey(need) for need in needs(resolved, settings)]
    lock = _write_lock(resolved, downloads)
    lacking = [(download.repository, file) for download in downloads for file in download.lacking]
    total, done = sum(file.bytes for _, file in lacking), 0
    mirror.check_disk(cache_folder(), total)
    for repository, file in lacking:
        repository.download(file.name)
        done += file.bytes
        progress("megabytes", done // MEGABYTE, total // MEGABYTE)
    weights = [Item(f"weights/{path.name}", path) for path in _weights(resolved, settings)]
    prompts.load(_locked(_prompts(resolved), lock), settings)
    facts = {"revisions": _revisions(downloads), "files": len(lacking), "bytes": total}
    if to is not None:
        items = [item for download in downloads for item in download.items()] + weights
        facts["copied_bytes"] = mirror.write(to, items, resolved.study.name, lock.model_dump(), progress)
    return _outcome(resolved, facts, to)


def needs(resolved: ResolvedStudy, settings: Settings) -> list[Need]:
    """Everything that a study takes from a hub: models, networks of metrics, prompts."""
    cards = {card.name: card for card in resolved.cards.values() if card.is_hub}
    found = [Need("model", card.source, _pin(card.revision), card=card) for card in cards.values()]
    locked = load_lock(lock_path(resolved.path)).models
    for network in _network_cards(resolved):
        revision = locked.get(network.name) or _pin(network.revision)
        found.append(Need("model", network.source, revision, card=network))
    for name, pin in dict.fromkeys(_networks(resolved)):
        if not (resolved.root / name).is_dir():
            found.append(Need("model", name, pin))
    prompt_set = _prompts(resolved)
    if prompt_set.revision is not None and not (prompt_set.loader == "parti" and settings.parti):
        found.append(Need("dataset", prompt_set.source, _pin(prompt_set.revision), prompt_set=prompt_set))
    return found


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
    finders = (getattr(module, "weights_file", None) for module, _ in _extractors(resolved))
    wanted = [finder for finder in finders if finder and inspect.signature(finder).parameters]
    return list(dict.fromkeys(finder(settings) for finder in wanted))


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
    items, revisions = [], {}
    for need in wanted:
        repository = Repository(need.kind, need.source, _known(need, lock, folder))
        revisions[need.card.name if need.card else need.source] = repository.revision
        items += _mirrored(need, repository, record, folder)
    items += [_weight(place, settings) for place in record.files if place.startswith("weights/")]
    copied = mirror.use(folder, record, items, progress)
    prompts.load(_locked(_prompts(resolved), lock), settings)
    facts = {"revisions": revisions, "files": len(items), "bytes": copied}
    return _outcome(resolved, facts, None)


def _known(need: Need, lock: Lock, folder: Path) -> str:
    known = lock.models.get(need.card.name) if need.card else None
    known = lock.prompts.get(need.prompt_set.name) if need.prompt_set else known
    if found := need.revision or known:
        return found
    hint = "write the mirror for this study: `evalkit fetch STUDY --to DIR`"
    raise UnavailableError(f"the mirror does not know the revision of {need.source}", where=str(folder), hint=hint)


def _mirrored(need: Need, repository: Repository, record: mirror.Mirror, folder: Path) -> list[Item]:
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
    return Download(need, repository, tuple(need.files(there))).items()


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
