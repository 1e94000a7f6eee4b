"""The digest of files on disk, so that a checkpoint that changes gets other image keys."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from evalkit.errors import SpecError
from evalkit.places import is_remote
from evalkit.spec.identity import digest

IGNORED = {".md", ".txt", ".png", ".jpg"}


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of a checkpoint's files; tokenizer merges count, texts and pictures don't.

    Raises:
        SpecError: there is no such folder, or it is empty.
    """
    if not folder.is_dir():
        hint = "give a hub id with `revision:`, or a folder relative to the checkout"
        raise SpecError("no such checkpoint folder", where=str(folder), hint=hint)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _counts(path))
    if not files:
        raise SpecError("the checkpoint folder is empty", where=str(folder))
    return digest([[path.relative_to(folder).as_posix(), file_sha256(path)] for path in files])


def _counts(path: Path) -> bool:
    return path.suffix not in IGNORED or path.name in ("merges.txt", "vocab.txt")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes; read once per process as long as size and time of change stay."""
    if is_remote(path):
        return _read(path)
    facts = path.stat()
    return _sha256(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, changed_ns: int) -> str:
    return _read(path)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
