"""The pictures that a check needs, drawn once: a check that was cut off goes on, and a second reading draws nothing."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.outcome import Progress, silent
from evalkit.spec.fingerprint import folder_digest
from evalkit.spec.identity import digest
from evalkit.store.files import write_bytes
from evalkit.training import drawing

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """Draws with the pair in `weights`; `kept` is the folder of what was drawn, a file for each request."""

    weights: Path
    kept: Path
    progress: Progress = silent

    def of(self, system: str, prompts: Sequence[str], steps: int, seed: int) -> Pixels:
        """One picture (64, 64, 3) for each prompt; the same request to the same weights comes from the folder."""
        folder = self.weights / system
        asked = digest([folder_digest(folder), list(prompts), steps, seed])
        path = self.kept / f"{system}-{steps}-{asked[:12]}.npy"
        if not path.exists():
            content = io.BytesIO()
            np.save(content, self._draw(folder, prompts, steps, seed))
            write_bytes(path, content.getvalue())
        pixels: Pixels = np.load(path)
        return pixels

    def _draw(self, folder: Path, prompts: Sequence[str], steps: int, seed: int) -> Pixels:
        pipeline, parts = drawing.load(folder), list[Pixels]()
        for start in range(0, len(prompts), drawing.BATCH):
            chunk = prompts[start : start + drawing.BATCH]
            parts.append(drawing.draw(pipeline, chunk, steps, seed=seed + start))
            self.progress(f"{folder.name} at {steps} steps", start + len(chunk), len(prompts))
        return np.concatenate(parts)


def load_unet(weights: Path, system: str) -> Any:
    """The denoiser of a system alone."""
    return drawing.load(weights / system).unet
