"""Does anything that a browser receives tell the systems apart? The half of the leak check that visits a served app.

Two searches: for words (names of systems and models, arms, seeds, places) in every byte that arrived, prompts and
padding excepted; and a classifier on all that came with each image, the comparison's message included (telltales.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.errors import VotingError
from evalkit.spec.resolve import ResolvedStudy
from evalkit.voting import pictures
from evalkit.voting.arms import Arms
from evalkit.voting.telltales import SeenImage, separability, side_share
from evalkit.voting.visit import Visit


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
            prompts.update(filter(None, (shown["prompt"], shown.get("translation"))))
            images += [SeenImage(shown["position"], side, visit.get(shown[side]), shown) for side in ("left", "right")]
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


def secrets_of(resolved: ResolvedStudy, link: Arms) -> list[str]:
    """What no browser may receive: names of systems and models, arms, keys of the run's images, the study's SHA."""
    systems = [name for system in resolved.study.systems for name in (system.name, system.label, system.model)]
    cards = [name for card in resolved.cards.values() for name in (card.title, card.source)]
    return sorted({*systems, *cards, *link.systems, *link.images.values(), resolved.sha, resolved.run_name})


def find(transcript: Transcript, words: Iterable[str], system_of: dict[str, str]) -> list[str]:
    """The leaks of a served app, in sentences; nothing if there are none.

    Args:
        words: what must not arrive (`secrets_of`), places of files.
        system_of: opaque image key -> system, or its arm.
    """
    found = words_found(transcript.texts, words)
    labels = [system_of[image.key] for image in transcript.images]
    refused = [image for image in transcript.images if image.received.status != 200]
    found += [f"{len(refused)} images were not delivered"] if refused else []
    for system in sorted(set(labels)):
        ours = [label == system for label in labels]
        found += [*_by_company(transcript, system, ours), *_by_side(transcript, system, ours)]
    return found


def _by_company(transcript: Transcript, system: str, ours: list[bool]) -> Iterable[str]:
    area = separability(transcript.images, ours)
    if area.low is not None and area.low > 0.5:
        interval = f"{area.value:.2f} ({area.low:.2f}-{area.high:.2f}), n = {area.n}"
        yield f"{system} can be told by what comes with its images: area under the ROC curve {interval}"


def _by_side(transcript: Transcript, system: str, ours: list[bool]) -> Iterable[str]:
    test = side_share(transcript.images, ours)
    if test.p is not None and test.p < 0.01:
        share = f"{100 * (test.statistic or 0):.0f} %"
        yield f"{system} is on the left in {share} of its {test.n} comparisons, p = {test.p:.2g}"
