"""Running a network over batches: on the settings' device, in full 32-bit floats, without gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.extractors import EmbedPictures, Rows
from evalkit.extractors._openvino import compiled
from evalkit.extractors._pictures import Prepare, prepared_batches
from evalkit.settings import Settings


def find_device(settings: Settings) -> str:
    """The device of the settings; `auto` takes an accelerator where there is one. Sets torch's threads."""
    import torch

    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def run(network: Callable[[Any], Any], batches: Iterator[npt.NDArray[np.float32]], device: str) -> Iterator[Rows]:
    """Feature rows of each batch (batch, 3, height, width). TensorFloat-32 is off: it costs three digits."""
    import torch

    for batch in batches:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            pixels = torch.from_numpy(batch).to(device, memory_format=torch.channels_last)
            yield network(pixels).float().cpu().numpy()


def embedding(network: Any, prepare: Prepare, side: int, settings: Settings) -> EmbedPictures:
    """A torch module on pixels (n, 3, side, side) as a function from picture files to feature rows.

    It runs on the settings' device; on a CPU by OpenVINO, if the settings' runtime says so.
    """
    device = find_device(settings)
    if device == "cpu" and settings.runtime == "openvino":
        infer = compiled(network, side, settings.threads)
        return lambda paths: map(infer, prepared_batches(paths, prepare))
    import torch

    on_device = network.to(device, memory_format=torch.channels_last)

    def embed(paths: Sequence[Path]) -> Iterator[Rows]:
        return run(on_device, prepared_batches(paths, prepare), device)

    return embed
