"""Arrays of an .npz file as memory maps, so that a million feature rows cost no memory; and writing them in blocks."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from evalkit.errors import UnavailableError
from evalkit.store.files import writing

ROWS_AT_ONCE = 4096
IN_MEMORY = 64 << 20
"""Bytes up to which chosen rows are simply copied; beyond that the copy is a file without a name."""
Array = npt.NDArray[Any]


def mapped(path: Path, name: str) -> Array:
    """The array `name` of an .npz file, read-only; a memory map, unless it is compressed or empty.

    Raises:
        BadZipFile: its checksum is not that of its bytes.
        KeyError: there is no such array.
    """
    with ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
        if damaged := archive.testzip():
            raise BadZipFile(f"the checksum of {damaged} is wrong")
        with archive.open(member) as stream:
            read = (None, np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0)
            shape, by_columns, kind = read[np.lib.format.read_magic(stream)[0]](stream)  # type: ignore[misc]
            header = stream.tell()
    if member.compress_type != ZIP_STORED or 0 in shape or kind.hasobject:
        with np.load(path, allow_pickle=False) as stored:
            return np.asarray(stored[name])
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        lengths = struct.unpack("<HH", file.read(4))  # of the name and of the extra field before the content
    offset = member.header_offset + 30 + sum(lengths) + header
    return np.memmap(path, kind, "r", offset, shape, "F" if by_columns else "C")


def write_mapped(path: Path, small: Mapping[str, Array], name: str, blocks: Iterable[Array], shape: tuple[int, int]):  # type: ignore[no-untyped-def]
    """An uncompressed .npz of small arrays and of a large one, float32 (rows, columns), that comes in blocks."""
    with writing(path) as file, ZipFile(file, "w", ZIP_STORED) as archive:
        for key, array in small.items():
            with archive.open(f"{key}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            told = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, told)
            for block in blocks:
                for start in range(0, len(block), ROWS_AT_ONCE):
                    member.write(np.ascontiguousarray(block[start : start + ROWS_AT_ONCE], dtype="<f4").data)


def chosen(rows: Array, places: npt.NDArray[np.intp]) -> Array:
    """`rows[places]`: a part of the memory map where they follow each other, else a copy, on disk if it is large.

    Raises:
        UnavailableError: the disk is full or not writable.
    """
    if places.size and (np.diff(places) == 1).all():
        return rows[places[0] : places[-1] + 1]
    if places.size * rows.shape[1] * rows.itemsize <= IN_MEMORY:
        return np.asarray(rows[places])
    folder = Path(getattr(rows, "filename", None) or ".").parent
    try:
        with TemporaryFile(dir=folder) as file:
            for start in range(0, places.size, ROWS_AT_ONCE):
                file.write(rows[places[start : start + ROWS_AT_ONCE]].data)
            file.flush()
            return np.memmap(file, rows.dtype, "r", shape=(places.size, rows.shape[1]))
    except OSError as error:
        hint = "free some space or check the rights"
        raise UnavailableError(f"cannot write: {error.strerror or error}", where=str(folder), hint=hint) from error
