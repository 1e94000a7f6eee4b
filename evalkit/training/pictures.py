"""The pictures that a check needs, drawn once: a check that was cut off goes on, and a second reading draws nothing."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.extractors import lite0
from evalkit.extractors._cache import cached_features
from evalkit.outcome import Progress, silent
from evalkit.settings import settings
from evalkit.spec.fingerprint import folder_digest
from evalkit.spec.identity import digest
from evalkit.store.files import write_bytes
from evalkit.training import drawing, references

Pixels = NDArray[np.uint8]
Features = Callable[[Pixels], NDArray[np.float32]]


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


@dataclass(frozen=True)
class Lite0Features:
    """EfficientNet-lite0 features of pictures, kept by content in `folder`."""

    folder: Path

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """(n, 64, 64, 3) uint8 to (n, 1280)."""
        named = {hashlib.sha256(picture.tobytes()).hexdigest(): picture for picture in pixels}
        found = cached_features(named, lite0.identity(settings()), lambda: _embed, self.folder)
        return np.stack([found[hashlib.sha256(picture.tobytes()).hexdigest()] for picture in pixels])


def _embed(pixels: Sequence[Pixels]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(pixels), references.BATCH):
        yield references.lite0_features(np.stack(pixels[start : start + references.BATCH]))
