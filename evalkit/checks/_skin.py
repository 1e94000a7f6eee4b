"""The tone of skin as a camera sees it: ITA in CIELAB, and the nearest of Monk's ten tones.

ITA = arctan((L* - 50)/b*) in degrees (Chardon, Cretois, Hourseau 1991). Monk's tones: Monk 2019, skintone.google, CC BY
4.0; their own ITA falls from 83 to -83 degrees in their order, so that an ITA names the nearest of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MONK = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
LEAST_PIXELS = 12
_LINEAR = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


@dataclass(frozen=True)
class Tone:
    """`monk` 1 (lightest) to 10, or None with a reason."""

    ita: float | None
    monk: int | None
    reason: str = ""


def tone_of(pixels: npt.ArrayLike) -> Tone:
    """The tone of skin pixels, sRGB (n, 3) of 0-255: from the median of L* and b*.

    None where there are too few pixels, or where they are no colour that skin has (blue, green, grey): ITA is no tone
    there. Dark skin is never left out: no least brightness is asked for.
    """
    rgb = np.asarray(pixels, dtype=np.float64).reshape(-1, 3)
    if len(rgb) < LEAST_PIXELS:
        return Tone(None, None, "too little skin")
    lightness, a, b = np.median(lab(rgb), axis=0)
    if b <= 0.5 or a < -6:
        return Tone(None, None, "not a colour of skin")
    angle = ita(lightness, b)
    return Tone(angle, nearest_monk(angle))


def ita(lightness: float, b: float) -> float:
    """Individual typology angle, degrees."""
    return float(np.degrees(np.arctan2(lightness - 50, b)))


def nearest_monk(angle: float) -> int:
    """The tone whose own ITA is nearest."""
    return int(np.abs(MONK_ITA - angle).argmin()) + 1


def lab(rgb: npt.ArrayLike) -> Floats:
    """CIELAB (D65, 2 degrees) of sRGB values 0-255, shape (..., 3) (IEC 61966-2-1, CIE 15)."""
    share = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _LINEAR.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def rgb_of(code: str) -> tuple[int, int, int]:
    """ "f6ede4" -> (246, 237, 228)."""
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


MONK_ITA = np.array([ita(lightness, b) for lightness, _, b in lab([rgb_of(code) for code in MONK])])
