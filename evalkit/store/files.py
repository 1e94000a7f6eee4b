"""Files that are written whole or not at all: temporary name, flush to disk, rename; in a bucket, as one object."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from evalkit.errors import UnavailableError
from evalkit.places import filesystem, is_remote, reached


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that is `path` at the end, atomically; after a crash the old file or the new one is there.

    Raises:
        UnavailableError: the disk is full or not writable, or the bucket cannot be reached.
    """
    if is_remote(path):
        with tempfile.NamedTemporaryFile() as aside:
            yield cast(BinaryIO, aside.file)
            aside.flush()
            return _send(path, Path(aside.name))
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UnavailableError(
            f"cannot write: {error.strerror or error}", where=str(path), hint="free some space or check the rights"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Writes `content` to `path`, whole or not at all.

    Raises:
        UnavailableError: the disk is full or not writable, or the bucket cannot be reached.
    """
    if is_remote(path):
        return _put(path, content)
    with writing(path) as file:
        file.write(content)


def _put(path: Path, content: bytes | memoryview, **options: Any) -> None:
    """One object: it is there once all of it has arrived. The client tries again by itself before it gives up."""
    files, name = filesystem(path)
    with reached(path):
        files.pipe_file(name, bytes(content), **options)


def _send(path: Path, file: Path) -> None:
    """A large object, in parts; one that the network breaks off is sent again. It is there once the last one is."""
    files, name = filesystem(path)
    with reached(path):
        files.put_file(str(file), name)


def local_copy(path: Path) -> Path:
    """The path, or of an object a copy on this machine, for what must be mapped; it lasts as long as this process.

    Raises:
        FileNotFoundError: there is none.
        UnavailableError: the bucket cannot be reached.
    """
    if not is_remote(path):
        return path
    files, name = filesystem(path)
    with reached(path):
        facts = files.info(name)
        version = sha256(repr((name, facts.get("ETag"), facts.get("etag"), facts["size"])).encode()).hexdigest()
        copy = Path(_copies().name) / version[:32] / path.name
        if not copy.is_file():
            copy.parent.mkdir(exist_ok=True)
            files.get_file(name, f"{copy}.part")
            copy.with_name(f"{copy.name}.part").replace(copy)
    return copy


@cache
def _copies() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="evalkit-")


def create(path: Path, content: bytes) -> bool:
    """Writes an object that is not there yet; False if it is. Of several processes, one succeeds."""
    try:
        _put(path, content, mode="create")
        return True
    except FileExistsError:
        return False


def temporary_name(path: Path) -> Path:
    """A name beside `path` that nobody else uses; `sweep` knows it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, UTF-8."""
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def sweep(folder: Path, *, older_than: float = 0.0) -> int:
    """Removes what processes that died left half-written in a folder and those under it; gives how many files.

    Args:
        older_than: seconds; for folders where somebody else may be writing.
    """
    removed = 0
    if is_remote(folder):
        return removed  # nothing in a bucket is half-written
    for path in folder.rglob(".*.tmp"):
        try:
            if time.time() - path.stat().st_mtime >= older_than:
                path.unlink()
                removed += 1
        except OSError:
            continue  # it was finished, or somebody else removed it
    return removed


def append_line(path: Path, line: str) -> None:
    """Adds a line at the end. After one that a crash has cut short it begins anew, so that only that one is lost.

    Objects of a bucket cannot grow: there each line is an object of its own in a folder of this name.

    Raises:
        UnavailableError: the disk is full or not writable.
    """
    if is_remote(path):
        return _put(path / f"{time.time_ns():020}-{secrets.token_hex(4)}", f"{line}\n".encode("utf-8", "surrogatepass"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            torn = file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
            file.write((b"\n" if torn else b"") + line.encode("utf-8", "surrogatepass") + b"\n")
    except OSError as error:
        raise UnavailableError(
            f"cannot write: {error.strerror or error}", where=str(path), hint="free some space or check the rights"
        ) from error


def read_lines(path: Path) -> list[Any]:
    """The lines of a file of JSON lines; what is not JSON is left out, and nothing there is no line."""
    found = []
    for line in content_of_lines(path).splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def content_of_lines(path: Path) -> bytes:
    """All lines that `append_line` wrote; nothing there is none."""
    if not is_remote(path):
        return path.read_bytes() if path.is_file() else b""
    files, name = filesystem(path)
    try:
        with reached(path):
            names = sorted(files.ls(name, detail=False))
            lines = files.cat(names)
    except FileNotFoundError:
        return b""
    return b"".join(lines[line] for line in names)
