"""Whether what comes with an image tells its arm: headers, address, length, encoding, time, side; not its pixels.

Where nothing leaks, the area under the ROC curve is about one half.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.stats.estimate import Estimate
from evalkit.voting import pictures
from evalkit.voting.visit import Received

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Z_99 = 2.5758293035489004
FOLDS = 5
RIDGE = 1.0
"""Added to the variances of the standardised features, so that few images do not overfit"""


@dataclass(frozen=True)
class SeenImage:
    """One image as a browser got it: in which comparison, on which side, by which answer."""

    comparison: int
    side: str
    received: Received

    @property
    def key(self) -> str:
        """Its opaque key, the one thing by which the study's owner can tell what it is."""
        return self.received.url.split("/")[2]


def separability(images: Sequence[SeenImage], ours: Sequence[bool]) -> Estimate:
    """The cross-validated area under the ROC curve of a linear classifier on what came with the images.

    The classifier is a ridge-regularised linear discriminant (Fisher 1936); folds keep the images of a comparison
    together. The interval is 99 %, by DeLong, DeLong and Clarke-Pearson (1988).

    Args:
        ours: whether each image is of the arm in question.
    """
    import numpy as np

    method = f"linear discriminant, {FOLDS}-fold, DeLong 99 %"
    label, table = np.array(ours, dtype=bool), features(images)
    folds = np.array([image.comparison % FOLDS for image in images])
    if min(label.sum(), (~label).sum()) < 2 * FOLDS:
        note = "too few images to tell"
        return Estimate(None, None, None, len(images), method, note=note)
    scores = np.zeros(len(images))
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        scores[test] = table[test] @ _direction(table[train], label[train])
    return _area(scores, label, method)


def _direction(table: NDArray[np.float64], label: NDArray[np.bool_]) -> NDArray[np.float64]:
    import numpy as np

    difference = table[label].mean(axis=0) - table[~label].mean(axis=0)
    centred = np.vstack([table[label] - table[label].mean(axis=0), table[~label] - table[~label].mean(axis=0)])
    spread = centred.T @ centred / len(centred) + RIDGE * np.eye(table.shape[1])
    return np.asarray(np.linalg.solve(spread, difference))


def _area(scores: NDArray[np.float64], label: NDArray[np.bool_], method: str) -> Estimate:
    import numpy as np

    ours, others = scores[label], scores[~label]
    wins = (ours[:, None] > others) + 0.5 * (ours[:, None] == others)
    error = float(np.sqrt(wins.mean(axis=1).var(ddof=1) / len(ours) + wins.mean(axis=0).var(ddof=1) / len(others)))
    value = float(wins.mean())
    return Estimate(value, max(0.0, value - Z_99 * error), min(1.0, value + Z_99 * error), len(scores), method)


def features(images: Sequence[SeenImage]) -> NDArray[np.float64]:
    """(images, features), standardised: numbers, and whatever header, part of an address or chunk some images share."""
    import numpy as np

    tokens = [set(_tokens(image)) for image in images]
    count = Counter(token for own in tokens for token in own)
    shared = sorted(token for token, times in count.items() if 2 <= times < len(images))
    table = np.array(
        [[*_numbers(image), *(token in own for token in shared)] for image, own in zip(images, tokens, strict=True)],
        dtype=float,
    )
    spread = table.std(axis=0)
    return np.asarray((table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _numbers(image: SeenImage) -> list[float]:
    got = image.received
    headers = sum(len(name) + len(value) for name, value in got.headers.items())
    digits = [int(part[:6] or "0", 16) if re.fullmatch("[0-9a-f]+", part) else 0 for part in got.url.split("/")[2:4]]
    rank = [got.milliseconds, image.comparison, image.side == "left", *digits]
    return [float(number) for number in (len(got.body), headers, len(got.url), zlib.crc32(got.body[-16:]), *rank)]


def _tokens(image: SeenImage) -> Iterable[str]:
    got = image.received
    yield from (f"{name}: {value}" for name, value in got.headers.items() if name != "date")
    yield from got.url.split("/")
    if got.body.startswith(pictures.SIGNATURE):
        yield str(list(dict.fromkeys(part.kind for part in pictures.chunks(got.body))))  # how many: by the pixels
        yield got.body[:33].hex()  # size, depth and colour type
