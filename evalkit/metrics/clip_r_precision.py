"""CLIP R-precision: whether an image is nearer to its own prompt than to all others of the study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evalkit.extractors import clip
from evalkit.metrics._clip import Embedded, embed, parts, unit
from evalkit.metrics._metric import Floats, ImageScores, MetricInfo, Picture, Workplace

info = MetricInfo(
    level="image",
    extractor="clip",
    direction="higher",
    unit="share of images",
    range=(0, 1),
    citation="Park, Azadi, Liu, Darrell, Rohrbach 2021, NeurIPS Datasets; Xu et al. 2018, arXiv 1711.10485",
    version=1,
    reads="Share of images whose own prompt comes first among the study's prompts of its language; chance is 1 in "
    "`among`, and values among other prompts do not compare.",
)


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """1 where no other prompt of the language has a higher cosine, 1/k where k prompts share the highest, else 0."""
    found = embed(pictures, clip.find_checkpoint(workplace.settings, workplace.model), workplace)
    langs = np.array([picture.lang for picture in pictures])
    values, sizes = np.zeros(len(pictures)), set()
    for lang in np.unique(langs):
        chosen = np.flatnonzero(langs == lang)
        rivals = np.unique(found.prompt_of[chosen])
        values[chosen] = _first(found, chosen, rivals)
        sizes.add(rivals.size)
    among = "-".join(str(size) for size in sorted({min(sizes), max(sizes)}))
    return ImageScores(values, found.reasons, variant=f"among={among}")


def _first(found: Embedded, chosen: npt.NDArray[np.intp], rivals: npt.NDArray[np.intp]) -> Floats:
    texts, values = unit(found.texts[rivals]).T, np.empty(chosen.size)
    for part in parts(chosen.size):
        cosines = unit(found.images[chosen[part]]) @ texts
        own = np.take_along_axis(cosines, np.searchsorted(rivals, found.prompt_of[chosen[part]])[:, None], axis=1)
        higher, equal = (cosines > own + TIE).sum(axis=1), (np.abs(cosines - own) <= TIE).sum(axis=1)
        values[part] = np.where(higher == 0, 1 / equal, 0.0)
    return values


TIE = 1e-7
"""Cosines nearer than this are equal: prompts that CLIP cut to the same start."""
