"""Running a network over batches: on the settings' device, in full 32-bit floats, without gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.extractors import Rows
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
