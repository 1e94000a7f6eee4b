"""What a benchmark ran on, in one line."""

from __future__ import annotations

import ctypes
import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np


def described() -> str:
    """Processor, cores, Python, and the libraries that do the work."""
    cpu = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy"))
    processor = names[0] if names else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {libraries}, BLAS kernel {blas_kernel()}"


def blas_kernel() -> str:
    """The kernel that numpy's OpenBLAS chose for this processor; "unknown" where numpy has another BLAS."""
    for library in (Path(np.__file__).parents[1] / "numpy.libs").glob("libscipy_openblas64_*"):
        name = ctypes.CDLL(str(library)).scipy_openblas_get_corename64_
        name.restype = ctypes.c_char_p
        return str(name().decode())
    return "unknown"
