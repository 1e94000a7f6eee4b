"""Whether a runtime draws what PyTorch draws: the peak signal-to-noise ratio of the same prompts and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cell = tuple[str, str, int, int]
"""system, runtime, batch size, steps"""


def fidelity(drawn: Mapping[Cell, Sequence[Any]]) -> list[dict[str, Any]]:
    """A record for each cell that PyTorch drew too: `psnr_db`, None where every pixel is the same."""
    found = []
    for (system, runtime, size, steps), images in drawn.items():
        plain = drawn.get((system, "pytorch", size, steps))
        if runtime == "pytorch" or plain is None:
            continue
        ratio = psnr_db([image.pixels for image in images], [image.pixels for image in plain])
        named = {"system": system, "runtime": runtime, "batch_size": size, "steps": steps}
        found.append(named | {"psnr_db": ratio, "identical": ratio is None, "n": len(images)})
    return found


def psnr_db(images: Sequence[NDArray[np.uint8]], reference: Sequence[NDArray[np.uint8]]) -> float | None:
    """10 log10(255^2 / mean squared error) over all pixels, decibels; None where they are identical."""
    error = float(np.mean((np.stack(images).astype(float) - np.stack(reference).astype(float)) ** 2))
    return None if error == 0 else float(10 * np.log10(255**2 / error))
