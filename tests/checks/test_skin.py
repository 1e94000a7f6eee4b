"""Skin tone: CIELAB against published values, Monk's own swatches, and the skin-tone variants of emoji."""

import json
import subprocess
import tarfile

import numpy as np
import pytest
from PIL import Image

from evalkit.checks._faces import UNSURE, cheeks, skin_class
from evalkit.checks._heim import passes_for_skin, tone_of_pixels
from evalkit.checks._skin import MONK, MONK_ITA, lab, nearest_monk, rgb_of, tone_of

LINDBLOOM = {
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
}
LINDBLOOM |= {(255, 255, 255): (100, 0, 0), (0, 0, 0): (0, 0, 0), (128, 128, 128): (53.59, 0, 0)}


@pytest.mark.parametrize(("rgb", "expected"), LINDBLOOM.items())
def test_lab_of_known_colours(rgb, expected):
    assert lab(rgb) == pytest.approx(np.array(expected), abs=0.02)


@pytest.mark.parametrize("place", range(1, 11))
@pytest.mark.parametrize("noise", [0, 4])
def test_labelled_swatches_come_back_as_their_own_tone(place, noise):
    swatch = np.full((20, 20, 3), rgb_of(MONK[place - 1]), dtype=float)
    seen = swatch + np.random.default_rng(place).normal(0, noise, swatch.shape)
    assert tone_of(np.clip(seen, 0, 255)).monk == place
    assert skin_class(cheeks(np.clip(seen, 0, 255).astype(np.uint8), [(4, 5), (7, 5), (15, 5), (12, 5), (10, 12)])) == (
        f"Monk {place}"
    )


def test_monks_angles_fall_in_order_and_what_is_no_skin_has_no_tone():
    assert (np.diff(MONK_ITA) < 0).all()
    for colour in ((40, 90, 200), (60, 160, 70), (128, 128, 128)):
        assert tone_of(np.full((20, 3), colour)).monk is None
    assert "too little" in tone_of(np.zeros((3, 3))).reason
    light, dark = tone_of(np.full((20, 3), rgb_of(MONK[2]))), tone_of(np.full((20, 3), rgb_of(MONK[7])))
    assert skin_class([light, dark]) == UNSURE, "one cheek in the shadow is no tone"


def test_heims_rule_never_gives_the_two_darkest_and_ours_does():
    swatches = {place: np.full((20, 3), rgb_of(code), dtype=float) for place, code in enumerate(MONK, 1)}
    assert [place for place in (9, 10) if passes_for_skin(swatches[place]).any()] == []
    assert tone_of_pixels(swatches[10]) is None and tone_of(swatches[10]).monk == 10
    everything = np.random.default_rng(0).integers(0, 256, (200_000, 3)).astype(float)
    passing = everything[passes_for_skin(everything)]
    assert passing[:, 0].min() > 95 and (passing @ [0.299, 0.587, 0.114]).min() > 80
    unexchanged = np.abs(passing[:, None] - [rgb_of(code) for code in MONK]).sum(axis=2).argmin(axis=1) + 1
    assert not {9, 10} & set(unexchanged.tolist()), "nothing that passes is near them in its own colours"


@pytest.mark.slow
def test_five_tones_of_every_emoji_come_out_in_order(tmp_path):
    """Twemoji (CC BY 4.0): where its five variants differ is skin; the tone must fall with the modifier."""
    try:
        subprocess.run(
            ["npm", "pack", "emoji-datasource-twitter@16.0.0"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=280,
        )
    except (OSError, subprocess.SubprocessError):
        pytest.skip("npm, or its package of emoji, is missing")
    monk, ordered, n = {modifier: [] for modifier in MODIFIERS}, 0, 0
    with tarfile.open(next(tmp_path.glob("*.tgz"))) as package:
        table = json.load(package.extractfile("package/emoji.json"))
        for emoji in table:
            variants = emoji.get("skin_variations", {})
            if not all(modifier in variants for modifier in MODIFIERS):
                continue
            files = [f"package/img/twitter/64/{variants[modifier]['image']}" for modifier in MODIFIERS]
            pictures = [
                np.asarray(Image.open(package.extractfile(name)).convert("RGBA"), dtype=float) for name in files
            ]
            tones = [tone_of(pixels) for pixels in skin_of(pictures)]
            if any(tone.ita is None for tone in tones):
                continue
            n += 1
            ordered += bool((np.diff([tone.ita for tone in tones]) < 0).all())
            for modifier, tone in zip(MODIFIERS, tones, strict=True):
                monk[modifier].append(tone.monk)
    usual = {modifier: max(set(found), key=found.count) for modifier, found in monk.items()}
    same = {modifier: np.mean([tone == usual[modifier] for tone in found]) for modifier, found in monk.items()}
    print(f"n = {n} emoji x 5; in order {ordered}; usual Monk tone {usual}; share of images with it {same}")
    assert n >= 250 and ordered / n > 0.97
    assert list(usual.values()) == [3, 5, 5, 6, 7], (
        "the two middle ones lie between Monk 5 and 6, whose angles are far apart"
    )
    assert min(same.values()) > 0.75, "measured: .79, .99, .85, .94, .78 of 288; shades of hair and outline lie between"


MODIFIERS = ("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF")


def skin_of(pictures):
    """The opaque pixels in which the five pictures differ, of each."""
    stack = np.stack(pictures)
    differs = (np.ptp(stack[..., :3], axis=0).max(axis=-1) > 20) & (stack[..., 3].min(axis=0) > 250)
    return [picture[differs][:, :3] for picture in pictures]


def test_nearest_is_by_angle():
    assert [nearest_monk(angle) for angle in (90, 50, 11, -90)] == [1, 5, 6, 10]
