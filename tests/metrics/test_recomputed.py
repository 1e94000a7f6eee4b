"""Two tables of numbers compared: rounding passes, and each planted change is named with its place."""

import numpy as np
import pandas as pd
import pytest

from evalkit.metrics._recomputed import compared, holm_compared
from evalkit.stats.multiplicity import holm
from tests.sections.health_rows import card

COLUMNS = ["metric", "system_a", "system_b", "value", "low", "high", "n", "p", "signature"]


def comparisons() -> pd.DataFrame:
    rows = [
        ("clip_score", "one", "two", 0.5, 0.2, 0.8, 40, 0.002, "clip/1"),
        ("kid", "one", "two", 0.1, None, None, 40, None, "kid/1"),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_rounding_passes_and_numbers_are_counted():
    then = comparisons()
    then["value"] *= 1 + 1e-6
    found = compared("a metric", then, comparisons())
    assert found.wrong == "" and found.numbers == 5 and found.largest == pytest.approx(1e-6, rel=0.01)


@pytest.mark.parametrize(
    ("column", "planted", "said"),
    [
        ("value", 0.502, "one, two: value 0.502 then, 0.5 now"),
        ("low", np.nan, "one, two: low None then, 0.2 now"),
        ("high", 0.81, "high 0.81 then"),
        ("p", 0.001, "p 0.001 then, 0.002 now"),
        ("n", 41, "n 41 then, 40 now"),
        ("system_b", "three", "system_b three then, two now"),
        ("signature", "clip/0", "signed clip/0 then, clip/1 now"),
    ],
)
def test_a_planted_change_is_named(column, planted, said):
    then = comparisons()
    then.loc[0, column] = planted
    assert said in compared("a metric", then, comparisons(), where="table, ").wrong


def test_a_row_more_or_a_number_where_there_is_none_is_seen():
    then = comparisons()
    assert compared("a metric", then.iloc[:1], then).wrong == "1 rows then, 2 now"
    then.loc[1, "p"] = 0.5
    assert "p 0.5 then, None now" in compared("a metric", then, comparisons()).wrong


def test_a_change_by_jpeg_is_held_against_the_distance_and_other_panels_against_themselves():
    then = card("one", change=0.2)
    then.loc[then["setting"] == "JPEG 75", "value"] += 0.005  # of a distance of 10
    assert compared("card", then, card("one", change=0.2)).wrong == ""
    then.loc[then["setting"] == "JPEG 75", "value"] += 0.01
    assert "JPEG 75: value 0.215 then, 0.2 now" in compared("card", then, card("one", change=0.2)).wrong
    then = card("one")
    then.loc[then["measure"] == "nearest image", "other"] = "another"
    assert "other another then, two now" in compared("card", then, card("one")).wrong


def test_holm_is_made_of_all_p_of_the_run():
    rows = [{"metric": name, "system_a": "a", "system_b": "b", "p": p} for name, p in (("x", 0.01), ("y", 0.03))]
    rows.append({"metric": "z", "system_a": "a", "system_b": "b", "p": None})
    told = [row | {"p_holm": p} for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True)]
    assert holm_compared(told) == ""
    told[1]["p_holm"] = 0.01
    assert holm_compared(told).startswith("y, a minus b: p_holm 0.01 then, 0.03 now")
    told[1]["p_holm"] = None
    assert "p_holm None then" in holm_compared(told)
