"""Arrays from .npz files that may be anybody's: looked at before they are unpacked, nothing in them is run."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

FAULTS = (
    *(OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error, struct.error, SyntaxError),
    *(MemoryError, OverflowError, NotImplementedError, RuntimeError, TypeError, UnicodeError, AttributeError),
)
"""What reading a damaged or foreign file can end in"""
HARMLESS_BYTES, MOST_TIMES = 64_000_000, 100
"""Real features hardly shrink when they are packed; what grows more than a hundredfold is a trap."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The arrays of a file by name, each read when it is asked for.

    Raises:
        ValueError: an array is larger than the file can hold, or grows a hundredfold when it is unpacked; and one
            of `FAULTS` for a file that is damaged.
    """
    with ZipFile(path) as packed:
        for member in packed.infolist():
            _check(packed, member)
    with np.load(path, allow_pickle=False) as stored:
        yield stored


def _check(packed: ZipFile, member: ZipInfo) -> None:
    if member.file_size > HARMLESS_BYTES and member.file_size > MOST_TIMES * member.compress_size:
        raise ValueError(f"{member.filename} would grow from {member.compress_size:,} to {member.file_size:,} bytes")
    with packed.open(member) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, kind = read(file)
    if kind.hasobject:
        raise ValueError(f"{member.filename} holds Python objects")
    if math.prod(shape) * kind.itemsize > member.file_size or min(shape, default=0) < 0:
        raise ValueError(f"{member.filename} declares the shape {shape}, more than the file holds")
