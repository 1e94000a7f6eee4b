"""Does anything that a browser receives tell the systems apart? The half of the leak check that visits a served app.

Two searches: for words (names of systems and models, arms, seeds, places) in every byte that arrived, prompts and
padding excepted; and a classifier on all that came with each image - headers, address, length, encoding, time, its side - except
its decoded pixels. Where nothing leaks, its area under the ROC curve is about one half.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.errors import VotingError
from evalkit.stats.estimate import Estimate
from evalkit.voting import pictures
from evalkit.voting.visit import Received, Visit

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


@dataclass(frozen=True)
class Transcript:
    """A whole visit: all texts that arrived, and the images with what came along."""

    texts: tuple[str, ...]
    images: tuple[SeenImage, ...]


def record(address: str, token: str, limit: int = 1000) -> Transcript:
    """Goes through a rater's comparisons and keeps all that the app sends. It votes: use a rehearsal, not a study.

    Raises:
        UnavailableError: the app cannot be reached.
        VotingError: the link leads to no comparison.
    """
    images: list[SeenImage] = []
    prompts: set[str] = set()
    with Visit(address.rstrip("/"), token) as visit:
        if visit.comparison is None:
            visit.consent()
        while visit.comparison is not None and len(images) < 2 * limit:
            shown = visit.comparison
            prompts.add(shown["prompt"])
            images += [SeenImage(shown["position"], side, visit.get(shown[side])) for side in ("left", "right")]
            visit.answer({question["name"]: "tie" for question in shown["questions"]})
    if not images:
        raise VotingError("the link leads to no comparison", where=address)
    return Transcript(tuple(_texts(visit, prompts)), tuple(images))


def _texts(visit: Visit, prompts: Iterable[str]) -> Iterable[str]:
    """Every message, address, header and image (its pixels and padding excepted) as text, prompts taken out."""
    raw = [message.decode("utf-8", "replace") for message in visit.messages]
    for answer in visit.responses:
        raw.append(f"{answer.url} {answer.headers}")
        raw.append(_without_pixels(answer.body))
    for text in raw:
        for prompt in sorted(prompts, key=len, reverse=True):
            text = text.replace(prompt, " ")
        yield text


def _without_pixels(body: bytes) -> str:
    if not body.startswith(pictures.SIGNATURE):
        return body.decode("utf-8", "replace")
    told = [part for part in pictures.chunks(body) if part.kind not in (b"IDAT", pictures.PADDING)]
    return b" ".join(part.kind + b" " + part.data for part in told).decode("latin-1")


def words_found(texts: Iterable[str], words: Iterable[str]) -> list[str]:
    """The words that occur, as whole words, whatever their case; in sentences."""
    joined = "\n".join(texts).lower()
    whole = {word: rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])" for word in dict.fromkeys(words) if word}
    return [f"the browser receives {word!r}" for word, pattern in whole.items() if re.search(pattern, joined)]


def find(transcript: Transcript, words: Iterable[str], arm_of: dict[str, str]) -> list[str]:
    """The leaks of a served app, in sentences; nothing if there are none.

    Args:
        words: what must not arrive: names of systems and models, arms, seeds, places.
        arm_of: opaque image key -> arm.
    """
    found = words_found(transcript.texts, words)
    labels = [arm_of[image.key] for image in transcript.images]
    refused = [image for image in transcript.images if image.received.status != 200]
    found += [f"{len(refused)} images were not delivered"] if refused else []
    for arm in sorted(set(labels)):
        area = separability(transcript.images, [label == arm for label in labels])
        if area.low is not None and area.low > 0.5:
            interval = f"{area.value:.2f} ({area.low:.2f}-{area.high:.2f}), n = {area.n}"
            found.append(f"an arm can be told from what comes with its images: area under the ROC curve {interval}")
    return found


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
        yield str([part.kind for part in pictures.chunks(got.body)])
        yield got.body[:33].hex()  # size, depth and colour type
