"""The model hub's client and its cache on this machine: what a repository holds, what is here, and getting the rest.

The client's own environment variables (HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE) count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalkit.errors import ModelError, UnavailableError

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Repository:
    """A repository at a commit."""

    kind: Kind
    name: str
    revision: str

    def cached(self, file: str) -> Path | None:
        """Where a file of it lies in the cache; None if it is not there."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.name, file, revision=self.revision, repo_type=self.kind)
        return Path(found) if isinstance(found, str) else None

    def download(self, file: str) -> Path:
        """Gets a file into the cache; goes on where a broken download stopped."""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        with hub_errors(self.name):
            return Path(hf_hub_download(self.name, file, revision=self.revision, repo_type=self.kind))

    def place(self, file: str) -> Path:
        """Where the cache would keep a file that comes from elsewhere."""
        folder = f"{self.kind}s--{self.name.replace('/', '--')}"
        return cache_folder() / folder / "snapshots" / self.revision / file


def look_up(kind: Kind, name: str, revision: str | None) -> tuple[Repository, list[RemoteFile]]:
    """A repository with its files and their sizes; without a revision, as it is now.

    Raises:
        UnavailableError: the hub cannot be reached or refuses.
        ModelError: it answers another revision than was asked for.
    """
    from huggingface_hub import HfApi

    with hub_errors(name):
        api = HfApi()
        ask = api.model_info if kind == "model" else api.dataset_info
        info = ask(name, revision=revision, files_metadata=True)
    if revision and str(info.sha) != revision:
        raise ModelError(f"the hub answered revision {info.sha}", where=f"{name}@{revision}")
    files = [RemoteFile(item.rfilename, item.size or 0) for item in info.siblings or ()]
    return Repository(kind, name, str(info.sha)), files


def cache_folder() -> Path:
    """The hub client's cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


@contextmanager
def hub_errors(source: str) -> Iterator[None]:
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
        hint = "get online; or use a mirror: `evalkit fetch STUDY --from DIR`"
        raise UnavailableError(f"the hub cannot be reached: {_reason(error)}", where=where, hint=hint) from error


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:150] if text else type(error).__name__
