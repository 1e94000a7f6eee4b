"""What a comparison's message says of one of its two images, by the name of its side or by its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDES = ("left", "right")
OWN, OTHER = "<own>", "<other>"
WORDING = frozenset({"questions", "prompt", "translation", "count", "time_left", "comment"})
"""Parts of the message that are the same for both images; every byte of them is searched for words (leakcheck.py)"""


def columns(messages: Sequence[Mapping[str, Any]], sides: Sequence[str]) -> NDArray[np.float64]:
    """(images, columns): for each image, numbers and texts of the message in which it stands, as seen from its side.

    In `{"left_size": 3, "first": "left", "sizes": [3, 4]}` the left image has `<own>_size` 3, `first` <own>,
    `sizes.<own>` 3 and `sizes.<other>` 4. A number of the whole comparison counts for the left image alone: were
    comparisons in an order, it would tell what is on the left; counted against the right image too, each comparison
    would count twice and the check cry wolf. What all comparisons have alike tells nothing but the side: it is left
    out, and so are addresses, which hold the keys by which labels are known.
    """
    import numpy as np

    told = [dict(_walk(message, "")) for message in messages]
    alike = {path for path, value in told[0].items() if all(own.get(path) == value for own in told)}
    seen = [dict(_seen(own, side, alike)) for own, side in zip(told, sides, strict=True)]
    found = Counter(name for own in seen for name in own)
    names = sorted(name for name, times in found.items() if times > 1)
    table = np.array([[own.get(name, 0.0) for name in names] for own in seen], dtype=float).reshape(len(seen), -1)
    whole = np.array([OWN not in name and OTHER not in name for name in names], dtype=bool)
    left = np.array([side == SIDES[0] for side in sides])
    centred = table - table.mean(axis=0)
    return np.asarray(np.where(whole & ~left[:, None], 0.0, centred))


def _walk(value: Any, path: str) -> Iterator[tuple[str, str | float]]:
    """The single values, by their path; a list of two has the names of the sides."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in WORDING:
                yield from _walk(inner, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        names = SIDES if len(value) == len(SIDES) else map(str, range(len(value)))
        yield from (
            found for name, inner in zip(names, value, strict=False) for found in _walk(inner, f"{path}.{name}")
        )
    elif isinstance(value, bool | int | float):
        yield path, float(value)
    elif isinstance(value, str) and not value.startswith("/img/"):
        yield path, value


def _seen(told: Mapping[str, str | float], side: str, alike: set[str]) -> Iterator[tuple[str, float]]:
    """Numbers by path; of a text its length, and the text itself if it or its path names a side."""
    for path, value in told.items():
        if path in alike:
            continue
        name = _seen_from(side, path)
        yield name, float(len(value)) if isinstance(value, str) else value
        if isinstance(value, str) and (said := _seen_from(side, f"{path}={value}")) != f"{path}={value}":
            yield said, 1.0


def _seen_from(side: str, text: str) -> str:
    other = SIDES[1 - SIDES.index(side)]
    return text.replace(side, OWN).replace(other, OTHER)
