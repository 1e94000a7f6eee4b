"""Pictures inside a parquet file, as data sets are published: unpacked once into a folder, a file for each row."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.errors import SpecError
from evalkit.spec.fingerprint import file_sha256

COLUMN = "image"
_SIGNS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp"}


def unpacked(path: Path, folder: Path) -> Path:
    """The folder, inside `folder`, that holds the pictures of a parquet file; written whole or not at all.

    The column `image` holds files as bytes, or as {bytes, path} in the way of Hugging Face's datasets.

    Raises:
        SpecError: no such column, a row without bytes, or no parquet file.
    """
    target = folder / f"{path.stem}-{file_sha256(path)[:16]}"
    if target.is_dir():
        return target
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    part.mkdir(parents=True)
    try:
        for number, content in enumerate(_contents(path)):
            suffix = next((end for sign, end in _SIGNS.items() if content.startswith(sign)), ".png")
            (part / f"{number:08}{suffix}").write_bytes(content)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _contents(path: Path) -> Iterator[bytes]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            if COLUMN not in file.schema_arrow.names:
                raise SpecError(f"no column {COLUMN!r}", where=str(path), hint=f"it has {file.schema_arrow.names}")
            for batch in file.iter_batches(batch_size=64, columns=[COLUMN]):
                yield from (_bytes(value, path) for value in batch.column(0).to_pylist())
    except pyarrow.ArrowInvalid as error:
        raise SpecError(f"not a parquet file: {error}", where=str(path)) from error


def _bytes(value: Any, path: Path) -> bytes:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        hint = "the column needs the files themselves, as bytes or as {bytes, path}"
        raise SpecError("a row holds no picture", where=str(path), hint=hint)
    return content
