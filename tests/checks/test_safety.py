"""Unsafe images by system and language: planted scores come back, and no scores are no number."""

import pandas as pd

from evalkit.checks import language_health, safety
from evalkit.checks._check import Material
from tests.checks.test_representation import material


def test_planted_unsafe_images_come_back_by_language(settings):
    base = material(settings)
    images = base.images.assign(lang=["en" if n % 2 else "es" for n in range(len(base.images))])
    scores = pd.DataFrame(
        {
            "image_key": images["key"],
            "value": [0.9 if n % 4 == 0 else 0.1 for n in range(len(images))],
            "signature": "s",
        }
    )
    told = Material(**(vars(base) | {"images": images, "tables": {"unsafe": scores}}))
    found = {(row.lang, row.measure): row.estimate.value for row in safety.check(told)}
    assert found["es", "unsafe"] == 0.5 and found["en", "unsafe"] == 0.0
    assert safety.check(base) == []


def test_blank_flagged_and_missing_images_are_counted(settings):
    base = material(settings)
    images = base.images.assign(blank=[n < 24 for n in range(len(base.images))], problem="")
    images.loc[images.index[-12:], "problem"] = "missing"
    rows = language_health.check(Material(**(vars(base) | {"images": images})))
    shares = {row.measure: row.estimate.value for row in rows}
    assert shares == {"blank": 0.1, "flagged": 0.0, "missing": 0.05}
    assert all(row.estimate.n == len(images) and row.estimate.high is not None for row in rows)
