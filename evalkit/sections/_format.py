"""How a number reads: "57 % (46-68), n = 68". The only place where numbers become text."""

from __future__ import annotations

import unicodedata
from math import floor, isfinite, log10

from evalkit.stats.estimate import Estimate

MINUS = "−"
LONGEST_TEXT = 280


def share(estimate: Estimate, *, n: bool = False) -> str:
    """A share in percent, two significant digits: "57 % (46-68)", with `n`: "57 % (46-68), n = 68"."""
    if estimate.value is None:
        return missing(estimate)
    digits = _share_digits(estimate.value)
    low, high = (None if bound is None else f"{bound * 100:.{digits}f}" for bound in (estimate.low, estimate.high))
    text = f"{percent(estimate.value)} {_interval(low, high, '-')}"
    return f"{text}, n = {count(estimate.n)}" if n else text


def percent(value: float) -> str:
    """A bare share: "57 %", "2.1 %"."""
    return f"{value * 100:.{_share_digits(value)}f} %"


def points(estimate: Estimate, *, unit: bool = True) -> str:
    """A difference of shares in percentage points: "+11 points (−7 to +28)"."""
    if estimate.value is None:
        return missing(estimate)
    low, high = (None if bound is None else _signed(bound * 100, 0) for bound in (estimate.low, estimate.high))
    return f"{_signed(estimate.value * 100, 0)}{' points' if unit else ''} {_interval(low, high, ' to ')}"


def measure(estimate: Estimate, *, signed: bool = False) -> str:
    """A number on its own scale, as many decimals as its interval supports: "27.31 (26.84 to 27.78)"."""
    if estimate.value is None:
        return missing(estimate)
    digits = _decimals(estimate)
    value, low, high = (
        None if x is None else (_signed(x, digits) if signed else _plain(x, digits))
        for x in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} {_interval(low, high, ' to ')}"


def missing(estimate: Estimate) -> str:
    """What stands where a value would: why there is none."""
    return f"no value: {estimate.note}" if estimate.note else "no value"


def signed(value: float) -> str:
    """A bare number with its sign and two decimals: "+0.30"."""
    return _signed(value, 2)


def p_value(p: float | None) -> str:
    """Two digits, no leading zero: ".27", "< .001"; a dash where there is no test."""
    if p is None:
        return "–"
    if p < 0.001:
        return "< .001"
    if p > 0.99:
        return "> .99" if p < 1 else "1"
    digits = 2 if p >= 0.01 else 3
    return f"{p:.{digits}f}".lstrip("0")


def p_text(p: float | None) -> str:
    """ "p = .27", "p < .001", "no test"."""
    text = p_value(p)
    if p is None:
        return "no test"
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def count(number: int) -> str:
    """ "1,632"."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """ "1 prompt", "1,632 prompts"."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def sizes(estimate: Estimate, noun: str = "vote") -> str:
    """ "n = 540 votes, 10 prompts, 12 raters": prompts and raters are always beside n."""
    parts = [f"n = {plural(estimate.n, noun)}"]
    parts += [plural(estimate.prompts, "prompt")] if estimate.prompts else []
    parts += [plural(estimate.raters, "rater")] if estimate.raters else []
    return ", ".join(parts)


def listed(words: list[str], last: str = "and") -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def sentence(text: str) -> str:
    """Begins with a capital."""
    return text[:1].upper() + text[1:]


def tame(text: str, longest: int = LONGEST_TEXT) -> str:
    """Foreign text (a prompt) fit for a page: no control characters, one line, cut where it is very long."""
    clean = "".join(" " if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter for letter in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= longest else f"{clean[:longest].rstrip()} … ({count(len(text))} characters in all)"


def notes(estimates: list[Estimate]) -> str:
    """The distinct notes of some estimates, as sentences under their table."""
    found = dict.fromkeys(sentence(estimate.note) + "." for estimate in estimates if estimate.note)
    return " ".join(found)


def _interval(low: str | None, high: str | None, dash: str) -> str:
    if low is None and high is None:
        return "(no interval)"
    if high is None:
        return f"(at least {low})"
    return f"(at most {high})" if low is None else f"({low}{dash}{high})"


def _share_digits(value: float) -> int:
    """Decimals of a percentage that leave two significant digits; one more where rounding would claim 0 or 100."""
    percentage = abs(value) * 100
    if percentage in (0, 100) or not isfinite(percentage):
        return 0
    digits = max(0, 1 - floor(log10(percentage)))
    return min(3, digits + 1 if round(percentage, digits) >= 100 else digits)


def _decimals(estimate: Estimate) -> int:
    """Two significant digits of the half-width of the interval; without one, three of the value; at most six."""
    value = estimate.value or 0.0
    ends = [abs(bound - value) for bound in (estimate.low, estimate.high) if bound is not None]
    if ends and max(ends) > 0:
        return min(6, max(0, 1 - floor(log10(max(ends)))))
    if value == 0:
        return 2
    if abs(value) < 0.1:
        return min(6, 1 - floor(log10(abs(value))))
    return max(0, 2 - floor(log10(max(abs(value), 1.0))))


def _signed(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{MINUS if value < 0 else '+'}{text}"


def _plain(value: float, digits: int) -> str:
    text = f"{abs(value):,.{digits}f}"
    return text if value >= 0 or float(text.replace(",", "")) == 0 else MINUS + text
