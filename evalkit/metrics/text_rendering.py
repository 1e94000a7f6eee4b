"""Text rendering: is the text that a prompt puts in quotation marks written in the image? Works offline."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from evalkit.metrics import _reading
from evalkit.metrics._metric import NOTHING_ASKED, ImageScores, MetricInfo, Picture, Workplace

info = MetricInfo(
    level="image",
    extractor="",
    direction="higher",
    unit="share of images",
    range=(0, 1),
    citation="Text recognition: Du et al. 2020, PP-OCR, arXiv 2009.09941, version 4, by RapidOCR",
    version=1,
    reads="Share of images in which all quoted text of the prompt can be read, letter by letter; small, curved or "
    "decorated writing is often missed, so it is a lower bound. Prompts without a quotation count for nothing.",
)
_QUOTED = re.compile(
    r'"([^"]+)"|“([^”“]+)”|«([^»]+)»|„([^“”]+)[“”]|「([^」]+)」|『([^』]+)』|‘([^’‘]+)’(?!\w)|(?<!\w)\'([^\']+)\'(?!\w)'
)


def identity(workplace: Workplace) -> str:
    """The networks inside the installed package.

    Raises:
        MissingExtraError: the package is not installed.
    """
    return _reading.identity()


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """1 or 0 of each picture, NaN where the prompt asks for no text; the reason tells what was read."""
    asking = [picture for picture in pictures if asked(picture.prompt)]
    texts = _reading.read(asking, workplace)
    told = [_judged(asked(picture.prompt), texts.get(picture.sha256)) for picture in pictures]
    return ImageScores(np.array([value for value, _ in told]), [reason for _, reason in told])


def asked(prompt: str) -> list[str]:
    """What a prompt puts in quotation marks, apostrophes not taken for them."""
    found = ("".join(groups).strip() for groups in _QUOTED.findall(prompt))
    return [text for text in found if letters(text)]


def letters(text: str) -> str:
    """Letters and digits alone, case and width of letters folded."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def _judged(wanted: list[str], seen: str | None) -> tuple[float, str]:
    if not wanted:
        return float("nan"), NOTHING_ASKED
    there = letters(seen or "")
    return float(all(letters(text) in there for text in wanted)), f"read: {seen}" if seen else "read: nothing"
