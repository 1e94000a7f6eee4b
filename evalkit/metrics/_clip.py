"""Pictures and their prompts in one space: what CLIPScore, R-precision, PickScore, HPS and SigLIP have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import numpy as np
import numpy.typing as npt

from evalkit.extractors import EmbedPictures, EmbedTexts, Rows, clip
from evalkit.extractors._cache import cached_features
from evalkit.metrics._metric import PROMPT_CUT, Floats, Picture, Workplace
from evalkit.settings import Settings

_ROWS_AT_ONCE = 4096


class Encoder(Protocol):
    """A file of evalkit/extractors/ with a tower for pictures and one for texts."""

    @property
    def TITLE(self) -> str: ...

    def load_pictures(self, checkpoint: clip.Checkpoint, settings: Settings) -> EmbedPictures: ...

    def load_texts(self, checkpoint: clip.Checkpoint, settings: Settings) -> EmbedTexts: ...

    def excess_tokens(self, texts: Sequence[str], checkpoint: clip.Checkpoint) -> list[int]: ...


@dataclass(frozen=True)
class Embedded:
    """Rows as stored: `images` (pictures, d), `texts` (different prompts, d); `prompt_of`: each picture's row in those.

    `reasons` names, for each picture, what the encoder did not see of its prompt ("" where it saw all).
    """

    images: Rows
    texts: Rows
    prompt_of: npt.NDArray[np.intp]
    prompts: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def cosines(self) -> Floats:
        """Cosine of each picture with its own prompt."""
        found = np.empty(len(self.images))
        for part in parts(len(found)):
            found[part] = (unit(self.images[part]) * unit(self.texts[self.prompt_of[part]])).sum(axis=1)
        return found


def embed(
    pictures: Sequence[Picture], checkpoint: clip.Checkpoint, workplace: Workplace, encoder: Encoder = clip
) -> Embedded:
    """Embeds what is not in the cache: each picture once, each prompt once."""
    prompts = sorted({picture.prompt for picture in pictures}, key=lambda text: (len(text), text))  # little is padding
    texts = {_sha(prompt): prompt for prompt in prompts}
    cache, settings = workplace.cache, workplace.settings
    identity = checkpoint.identity
    of_text = cached_features(texts, f"text of {identity}", lambda: encoder.load_texts(checkpoint, settings), *cache)
    paths = {picture.sha256: picture.path for picture in pictures}
    of_image = cached_features(paths, identity, lambda: encoder.load_pictures(checkpoint, settings), *cache)
    place = {prompt: row for row, prompt in enumerate(texts.values())}
    cut = encoder.excess_tokens(list(texts.values()), checkpoint)
    own = np.array([place[picture.prompt] for picture in pictures], dtype=np.intp)
    return Embedded(
        images=of_image.of([picture.sha256 for picture in pictures]),
        texts=of_text.of(list(texts)),
        prompt_of=own,
        prompts=tuple(texts.values()),
        reasons=tuple(_reason(cut[row], encoder.TITLE) for row in own),
    )


def parts(count: int) -> Iterator[slice]:
    """Some rows at a time, so that memory does not grow with their number."""
    return (slice(start, start + _ROWS_AT_ONCE) for start in range(0, count, _ROWS_AT_ONCE))


def unit(rows: Rows) -> Floats:
    """Each row divided by its length, in float64."""
    exact = np.asarray(rows, dtype=np.float64)
    return np.asarray(exact / np.linalg.norm(exact, axis=1, keepdims=True))


def _reason(excess: int, title: str) -> str:
    return f"{PROMPT_CUT}: {title} did not see its last {excess} tokens" if excess else ""


def _sha(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
