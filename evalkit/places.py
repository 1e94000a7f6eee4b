"""Where files may lie: a folder of this machine, or a bucket (s3://, gs://). Both are paths, by fsspec.

In a bucket an object appears whole or not at all, so that it needs no temporary name and no rename; and whoever lists
one sees what was written before, so that nothing is remembered of earlier listings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from evalkit.errors import EvalkitError, MissingExtraError, SpecError, UnavailableError

BUCKETS = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gs")}
"""Kind of address -> the package that speaks to it, and the extra that installs it."""
OPTIONS: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": False}


def place(address: str | Path) -> Path:
    """The path of an address, as pathlib has it; one in a bucket is a universal_pathlib.UPath, used in the same way.

    Raises:
        SpecError: a kind of address that evalkit does not know.
        MissingExtraError: what speaks to it is not installed.
    """
    kind, mark, _ = str(address).partition("://")
    if not isinstance(address, str) or not mark:
        return Path(address)
    if kind not in BUCKETS:
        hint = f"a folder, or {', '.join(f'{known}://BUCKET/FOLDER' for known in BUCKETS)}"
        raise SpecError(f"files cannot lie in {kind}://", where=address, hint=hint)
    package, extra = BUCKETS[kind]
    if find_spec(package) is None or find_spec("upath") is None:
        raise MissingExtraError(package, extra)
    from upath import UPath

    return cast(Path, UPath(address, **OPTIONS))


def is_remote(path: Path) -> bool:
    """Whether a path lies in a bucket."""
    return not isinstance(path, Path)


def filesystem(path: Path) -> tuple[Any, str]:
    """fsspec's file system of a path in a bucket, and its name there."""
    remote = cast(Any, path)
    return remote.fs, remote.path


@contextmanager
def reached(path: Path) -> Iterator[None]:
    """A block that reads or writes at `path`. What a bucket's client raises, apart from "no such file", is told as one
    error: that a bucket does not answer must never be taken for "it is not there"."""
    try:
        yield
    except (EvalkitError, FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        if not is_remote(path):
            raise
        hint = "check the network, the bucket and the rights; the same command goes on where it stopped"
        raise UnavailableError(f"the bucket does not answer: {error}", where=str(path), hint=hint) from error


def is_file(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        UnavailableError: it lies in a bucket that does not answer.
    """
    if not is_remote(path):
        return path.is_file()
    files, name = filesystem(path)
    try:
        with reached(path):
            return bool(files.info(name)["type"] == "file")
    except FileNotFoundError:
        return False
