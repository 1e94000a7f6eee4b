"""How many images fit at once: what the checkpoint's weights take, what an image takes, what is free.

An estimate to begin with. It is made once, when a run is planned; where it was too high, the run goes on with less.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from evalkit.models._hub_files import chosen_files
from evalkit.models._weights import tensor_shapes
from evalkit.spec.catalog import ModelCard
from evalkit.spec.plan import number_format
from evalkit.store.hub import RemoteFile

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
NETWORK_NUMBERS_PER_PIXEL = 400
"""Numbers that one guided step holds at its peak, per pixel and image: 261 for Stable Diffusion 1.5, 146 for
DeciDiffusion 1.0 (tensors alive at once, counted in tests/models/test_memory.py); half as much again for workspaces."""
DECODER_NUMBERS_PER_PIXEL = 1_200
"""The same for the autoencoder's decoder, which has 128 to 512 channels at the full size of the image: 768."""
USABLE = 0.85
"""Of the free memory; the rest is left to kernels' workspaces and to what else runs."""
SMALL_NETWORK = 500_000_000
"""Bytes of weights up to which a processor's time goes into calling kernels, so that it gains from larger batches."""
LARGEST = {"small": 16, "accelerator": 8, "processor": 2}
"""A guided batch of 8 images is 16 samples, which fill a GPU; a larger one only loses more where a run is stopped. A
processor is busy with a single image of a full-size network; two share the reading of the weights."""


@dataclass(frozen=True)
class Fit:
    """Images at once, and whether the decoder must take them one after the other."""

    batch_size: int
    vae_slicing: bool


def fit_all(loads: Iterable[tuple[int, int, ModelCard]], device: str) -> Fit:
    """The largest batch that fits every one of (bytes of weights, pixels of an image, card)."""
    free = free_bytes(device) * USABLE
    fits = [_fit(weights, pixels, card, device, free) for weights, pixels, card in loads]
    return Fit(min(item.batch_size for item in fits), any(item.vae_slicing for item in fits))


def _fit(weights: int, pixels: int, card: ModelCard, device: str, free: float) -> Fit:
    largest = LARGEST["small" if weights <= SMALL_NETWORK else "processor" if device == "cpu" else "accelerator"]
    number = BYTES[number_format(card, device)]
    network, decoder = (pixels * number * count for count in (NETWORK_NUMBERS_PER_PIXEL, DECODER_NUMBERS_PER_PIXEL))
    room = free - weights
    if room >= largest * decoder:
        return Fit(largest, False)
    return Fit(max(1, min(largest, int((room - decoder) // network))), True)


def weight_bytes(card: ModelCard, folder: Path, device: str) -> int:
    """Bytes of a checkpoint's weights in the format that they run in, from the heads of its files."""
    files = [
        RemoteFile(path.relative_to(folder).as_posix(), path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    ]
    names = [file.name for file in chosen_files(card, files) if file.name.endswith(".safetensors")]
    numbers = sum(prod(shape) for name in names for shape in tensor_shapes(folder / name).values())
    return numbers * BYTES[number_format(card, device)]


def free_bytes(device: str) -> int:
    """Free memory of the device; of a processor, what this process may still take."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    if device.startswith("mps"):
        import torch

        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return min(_available(), _of_control_group())


def _available() -> int:
    import os

    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _of_control_group(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """What a container's limit leaves; a very large number where there is none."""
    try:
        limit, used = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return int(limit) - int(used)
    except (OSError, ValueError):
        return 1 << 62


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch says that memory ran out: it has a class of its own on CUDA only."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
