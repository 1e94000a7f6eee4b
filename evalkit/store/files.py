"""Files that are written whole or not at all: temporary name, flush to disk, rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from evalkit.errors import UnavailableError


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that is `path` at the end, atomically; after a crash the old file or the new one is there.

    Raises:
        UnavailableError: the disk is full or not writable.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
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
        UnavailableError: the disk is full or not writable.
    """
    with writing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, UTF-8."""
    write_bytes(path, text.encode("utf-8", "surrogatepass"))
