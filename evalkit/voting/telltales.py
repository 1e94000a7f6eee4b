"""Whether what comes with an image tells its system: headers, address, length, encoding, time, what the comparison's
message says of it; not its pixels.

Where nothing leaks, the area under the ROC curve is about one half. The side is left to a test of its own: sides are
balanced exactly, so that a classifier that learns from some of them is wrong on the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from evalkit.stats.estimate import Estimate, SignificanceTest
from evalkit.voting import pictures, sided
from evalkit.voting.visit import Received

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Z_99 = 2.5758293035489004
Z_99_ONE_SIDED = 2.3263478740408408
EXCLUDED = 0.55
"""An area that a proof of blindness excludes: the upper one-sided 99 % bound lies below it"""
MANY = 1000
"""Images from which on a fifth is enough to learn from"""
ENOUGH = 6
"""Images of either kind, at least, to train on and to try on"""
METHOD = "linear discriminant on held-out comparisons, DeLong 99 %, no narrower than by chance"
RIDGE = 1.0
"""Added to the variances of the standardised features, so that few images do not overfit"""


@dataclass(frozen=True)
class SeenImage:
    """One image as a browser got it: in which comparison, on which side, by which answer, with its message."""

    comparison: int
    side: str
    received: Received
    message: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its opaque key, the one thing by which the study's owner can tell what it is."""
        return self.received.url.split("/")[2]


def separability(images: Sequence[SeenImage], ours: Sequence[bool]) -> Estimate:
    """The area under the ROC curve of a linear classifier on what came with the images.

    The classifier is a ridge-regularised linear discriminant (Fisher 1936), trained on every other comparison (of
    1,000 images and more, on every fifth) and tried on the rest: with folds that take turns the area is biased
    downwards. The interval is 99 %, by DeLong, DeLong and Clarke-Pearson (1988), with at least the error that a
    classifier has which knows nothing (Mann and Whitney 1947): DeLong's own is too small for few images. Where nothing
    leaks it misses one half in .5 to 1 % of simulated samples of 6 to 100 images a system (DeLong's own: 5.1 to 1.2 %).
    `n` counts the images that it was tried on.

    Args:
        ours: whether each image is of the system in question.
    """
    import numpy as np

    label, table = np.array(ours, dtype=bool), features(images)
    learn = 2 if len(images) < MANY else 5
    tried = np.array([image.comparison % learn != 1 for image in images], dtype=bool)
    if min(np.bincount(2 * tried + label, minlength=4)) < ENOUGH:
        note = f"too few images to tell: {len(images)}"
        return Estimate(None, None, None, int(tried.sum()), METHOD, note=note)
    scores = table[tried] @ _direction(table[~tried], label[~tried])
    return _area(scores, label[tried])


def upper_bound(area: Estimate) -> float | None:
    """The one-sided 99 % bound: areas above it are excluded. About 3,000 images, none of which leaks, exclude 0.55."""
    if area.value is None or area.high is None:
        return None
    return area.value + (area.high - area.value) * Z_99_ONE_SIDED / Z_99


def pooled(visits: Sequence[Sequence[SeenImage]]) -> list[SeenImage]:
    """The images of several visits, their comparisons numbered anew; each image once, however many raters saw it.

    Its address holds its key: learned from one visit and tried on another, any classifier would know it again.
    """
    longest = 1 + max((image.comparison for visit in visits for image in visit), default=0)
    offset = longest + (10 - longest % 10)  # keeps the parts that are learned from
    first: dict[str, SeenImage] = {}
    for number, visit in enumerate(visits):
        for image in visit:
            first.setdefault(image.key, replace(image, comparison=image.comparison + offset * number))
    return list(first.values())


def side_share(images: Sequence[SeenImage], ours: Sequence[bool]) -> SignificanceTest:
    """Whether a system stands on one side more often than chance would have it: exact binomial test."""
    from scipy.stats import binomtest

    sides = [image.side == "left" for image, own in zip(images, ours, strict=True) if own]
    found = binomtest(sum(sides), len(sides))
    return SignificanceTest(float(found.pvalue), len(sides), "binomial", sum(sides) / len(sides))


def _direction(table: NDArray[np.float64], label: NDArray[np.bool_]) -> NDArray[np.float64]:
    import numpy as np

    difference = table[label].mean(axis=0) - table[~label].mean(axis=0)
    centred = np.vstack([table[label] - table[label].mean(axis=0), table[~label] - table[~label].mean(axis=0)])
    spread = centred.T @ centred / len(centred) + RIDGE * np.eye(table.shape[1])
    return np.asarray(np.linalg.solve(spread, difference))


def _area(scores: NDArray[np.float64], label: NDArray[np.bool_]) -> Estimate:
    import numpy as np

    ours, others = scores[label], scores[~label]
    wins = (ours[:, None] > others) + 0.5 * (ours[:, None] == others)
    own = wins.mean(axis=1).var(ddof=1) / len(ours) + wins.mean(axis=0).var(ddof=1) / len(others)
    knows_nothing = (len(scores) + 1) / (12 * len(ours) * len(others))
    error = float(np.sqrt(max(own, knows_nothing)))
    value = float(wins.mean())
    return Estimate(value, max(0.0, value - Z_99 * error), min(1.0, value + Z_99 * error), len(scores), METHOD)


def features(images: Sequence[SeenImage]) -> NDArray[np.float64]:
    """(images, features), standardised: numbers, and whatever header, part of an address or chunk some images share;
    then what messages say of them."""
    import numpy as np

    tokens = [set(_tokens(image)) for image in images]
    count = Counter(token for own in tokens for token in own)
    shared = sorted(token for token, times in count.items() if 2 <= times < len(images))
    table = np.array(
        [[*_numbers(image), *(token in own for token in shared)] for image, own in zip(images, tokens, strict=True)],
        dtype=float,
    )
    said = sided.columns([image.message for image in images], [image.side for image in images])
    table = np.hstack([table, said])
    spread = table.std(axis=0)
    return np.asarray((table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _numbers(image: SeenImage) -> list[float]:
    got = image.received
    headers = sum(len(name) + len(value) for name, value in got.headers.items())
    digits = [int(part[:6] or "0", 16) if re.fullmatch("[0-9a-f]+", part) else 0 for part in got.url.split("/")[2:4]]
    return [float(number) for number in (len(got.body), headers, len(got.url), got.milliseconds, *digits)]


def _tokens(image: SeenImage) -> Iterable[str]:
    got = image.received
    yield from (f"{name}: {value}" for name, value in got.headers.items() if name != "date")
    yield from got.url.split("/")
    if got.body.startswith(pictures.SIGNATURE):
        yield str(list(dict.fromkeys(part.kind for part in pictures.chunks(got.body))))  # how many: by the pixels
        yield got.body[:33].hex()  # size, depth and colour type
