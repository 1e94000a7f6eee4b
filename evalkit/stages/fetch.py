"""`evalkit fetch`: pins the revisions that a study leaves open, and downloads what it needs into the hub's cache.

A revision is resolved once and kept in studies/NAME.lock.yaml, which belongs to the study: commit it. Sizes and free
disk are looked at before the first byte. The hub's own environment variables (HF_ENDPOINT, HF_HOME, HF_TOKEN) count.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evalkit import prompts
from evalkit.errors import ModelError, UnavailableError
from evalkit.models._hub_files import RemoteFile, chosen_files
from evalkit.outcome import Outcome, Progress, silent
from evalkit.settings import Settings
from evalkit.spec.catalog import UNPINNED, Catalog, ModelCard, PromptSet
from evalkit.spec.resolve import Lock, ResolvedStudy, find_prompt_set, load_lock, lock_path
from evalkit.store.files import write_text

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Download:
    """The files of one checkpoint that are not in the cache yet."""

    card: ModelCard
    revision: str
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def fetch(resolved: ResolvedStudy, settings: Settings, *, progress: Progress = silent) -> Outcome:
    """Resolves open revisions, writes the lock file, downloads.

    Raises:
        UnavailableError: the hub cannot be reached or refuses, or the disk is too small.
        ModelError: the repository has none of the card's files, or not the card's revision.
    """
    cards = {card.name: card for card in resolved.cards.values() if card.is_hub}
    downloads = [_survey(card) for card in cards.values()]
    lock = _write_lock(resolved, settings, downloads)
    _check_disk(downloads)
    total, done = sum(download.bytes for download in downloads), 0
    for download in downloads:
        for file in download.files:
            with _hub(download.card.source):
                _download(download, file.name)
            done += file.bytes
            progress("megabytes", done // MEGABYTE, total // MEGABYTE)
    if prompt_set := _hub_prompts(resolved, settings):
        prompts.load(_locked(prompt_set, lock), settings)
    return _outcome(resolved, downloads, total)


def _survey(card: ModelCard) -> Download:
    """The revision of a card and the files to download; both from the hub."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    asked = None if card.revision == UNPINNED else card.revision
    with _hub(card.source):
        info = HfApi().model_info(card.source, revision=asked, files_metadata=True)
    revision = str(info.sha)
    if asked and revision != asked:
        raise ModelError(f"the hub answered revision {revision}", where=f"{card.source}@{asked}")
    there = [RemoteFile(item.rfilename, item.size or 0) for item in info.siblings or ()]
    files = chosen_files(card, there)
    lacking = [
        file for file in files if not isinstance(try_to_load_from_cache(card.source, file.name, revision=revision), str)
    ]
    return Download(card, revision, tuple(lacking))


def _write_lock(resolved: ResolvedStudy, settings: Settings, downloads: Iterable[Download]) -> Lock:
    """Adds the revisions that were open to the lock file; those that it holds stay."""
    path = lock_path(resolved.path)
    lock = load_lock(path)
    models = {item.card.name: item.revision for item in downloads if item.card.revision == UNPINNED}
    prompt_set = _hub_prompts(resolved, settings)
    sets = {prompt_set.name: _set_revision(prompt_set)} if prompt_set and prompt_set.revision == UNPINNED else {}
    if models or sets:
        lock = Lock(models=models | lock.models, prompts=sets | lock.prompts)
        head = f"# Revisions that the hub gave for {resolved.path.name}; part of the study: commit it.\n"
        write_text(path, head + yaml.safe_dump(lock.model_dump(), sort_keys=True))
    return lock


def _hub_prompts(resolved: ResolvedStudy, settings: Settings) -> PromptSet | None:
    """The prompt set (of translations: the one that is translated), if it is to come from the hub."""
    prompt_set = resolved.prompt_set
    if prompt_set.base:
        prompt_set = find_prompt_set(prompt_set.base, Catalog(resolved.root), load_lock(lock_path(resolved.path)))
    return prompt_set if prompt_set.revision is not None and settings.parti is None else None


def _set_revision(prompt_set: PromptSet) -> str:
    from huggingface_hub import HfApi

    with _hub(prompt_set.source):
        return str(HfApi().dataset_info(prompt_set.source).sha)


def _locked(prompt_set: PromptSet, lock: Lock) -> PromptSet:
    revision = lock.prompts.get(prompt_set.name, prompt_set.revision)
    return prompt_set.model_copy(update={"revision": revision})


def _check_disk(downloads: Iterable[Download]) -> None:
    """The cache's disk must have room for all, before the first byte is asked for."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = next(path for path in (Path(HF_HUB_CACHE), *Path(HF_HUB_CACHE).parents) if path.is_dir())
    needed, free = sum(download.bytes for download in downloads), shutil.disk_usage(folder).free
    if needed > free:
        raise UnavailableError(
            f"{needed // MEGABYTE:,} MB to download, but {free // MEGABYTE:,} MB free",
            where=str(folder),
            hint="free some space, or set HF_HOME to a larger disk",
        )


def _download(download: Download, name: str) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    hf_hub_download(download.card.source, name, revision=download.revision)


@contextmanager
def _hub(source: str) -> Iterator[None]:
    """The hub client's many errors in readable form."""
    from huggingface_hub import constants
    from huggingface_hub import errors as hub

    where = f"{source} at {constants.ENDPOINT}"
    try:
        yield
    except hub.GatedRepoError as error:
        hint = "accept its terms on its page, then set HF_TOKEN"
        raise UnavailableError("the repository is gated", where=where, hint=hint) from error
    except (hub.RepositoryNotFoundError, hub.RevisionNotFoundError, hub.EntryNotFoundError) as error:
        what = "no such repository, revision or file on the hub"
        raise UnavailableError(what, where=where, hint="check source and revision of the card") from error
    except Exception as error:  # connection, timeout, proxy, offline mode: the client wraps several libraries
        hint = "get online; or point `source:` at a folder on disk, without `revision:`"
        raise UnavailableError(f"the hub cannot be reached: {_reason(error)}", where=where, hint=hint) from error


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:150] if text else type(error).__name__


def _outcome(resolved: ResolvedStudy, downloads: list[Download], total: int) -> Outcome:
    count = sum(len(download.files) for download in downloads)
    said = f"{count} files, {total / MEGABYTE:,.1f} MB downloaded" if count else "everything is there"
    revisions = {download.card.name: download.revision for download in downloads}
    facts: dict[str, Any] = {"revisions": revisions, "files": count, "bytes": total}
    where = lock_path(resolved.path)
    step = f"evalkit generate {resolved.study.name}"
    return Outcome(said, where=where if where.is_file() else None, next=step, facts=facts)
