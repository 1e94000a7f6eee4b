"""Every number reads the same way everywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.sections import _format
from evalkit.stats.estimate import Estimate

BASE = Estimate(39 / 68, 0.45517, 0.68403, 68, "Wilson")


def test_a_share_reads_as_the_house_writes_it() -> None:
    assert _format.share(BASE, n=True) == "57 % (46-68), n = 68"
    assert _format.share(replace(BASE, value=2 / 95, low=0.00579, high=0.07354)) == "2.1 % (0.6-7.4)"
    assert _format.share(replace(BASE, value=0.0, low=0.0, high=0.04)) == "0 % (0-4)"
    assert _format.share(replace(BASE, value=1.0, low=0.72, high=1.0)) == "100 % (72-100)"
    assert _format.share(replace(BASE, low=None, high=None)) == "57 % (no interval)"
    assert _format.share(replace(BASE, low=None)) == "57 % (at most 68)"


def test_no_value_is_a_sentence_and_never_a_number() -> None:
    nothing = Estimate(None, None, None, 0, "Wilson", note="no votes")
    assert {write(nothing) for write in (_format.share, _format.points, _format.measure)} == {"no value: no votes"}


def test_differences_have_a_sign_and_a_range_that_cannot_be_misread() -> None:
    assert _format.points(replace(BASE, value=0.105, low=-0.066, high=0.28)) == "+10 points (−7 to +28)"
    assert _format.points(replace(BASE, value=0.001, low=-0.2, high=0.2)) == "0 points (−20 to +20)"
    assert _format.measure(replace(BASE, value=0.213, low=-0.35, high=0.77), signed=True) == "+0.21 (−0.35 to +0.77)"
    assert _format.measure(replace(BASE, value=1234.5, low=1200.0, high=1269.0)) == "1,234 (1,200 to 1,269)"
    assert _format.measure(replace(BASE, value=0.00123, low=None, high=None)) == "0.0012 (no interval)"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.27499, "p = .27"),
        (0.0004, "p < .001"),
        (0.0051, "p = .005"),
        (1.0, "p = 1"),
        (0.9999, "p > .99"),
        (None, "no test"),
    ],
)
def test_p_values(p: float | None, text: str) -> None:
    assert _format.p_text(p) == text


@given(st.floats(1e-6, 1 - 1e-6))
def test_rounding_never_claims_all_or_nothing(share: float) -> None:
    written = float(_format.percent(share).removesuffix(" %"))
    assert 0 <= written <= 100
    if 0.0001 < share < 0.9999:
        assert 0 < written < 100
        assert written == pytest.approx(share * 100, rel=0.06)


def test_foreign_text_is_one_line_without_control_characters_and_says_when_it_is_cut() -> None:
    assert _format.tame("a\x00b\nc\u2028d") == "a b c d"
    assert _format.tame("x" * 10_000).endswith("… (10,000 characters in all)")
    assert len(_format.tame("y" * 10_000)) < 330
