"""The doctor of published tables: the published case, its twins with planted faults, odd tables, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner

from evalkit.cli import app
from evalkit.errors import EvalkitError, SpecError
from evalkit.stages.table_check import table_check
from evalkit.tables import TableError
from evalkit.tables.shares import Reading
from tests.tables.published import EVERY, MARKDOWN


def checked(text: str, folder: Path, *, max_n: int = 300, **said: Any) -> dict[str, Any]:
    """The facts and what was said, as JSON gives them."""
    (folder / "table.md").write_text(text, encoding="utf-8")
    outcome = table_check(str(folder / "table.md"), reading=Reading(**said), max_n=max_n)
    facts: dict[str, Any] = json.loads(json.dumps(outcome.as_json(), allow_nan=False))
    return facts


def columns(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [column for table in facts["tables"] for column in table["columns"]]


def test_aesthetics_is_a_reconstruction_at_95_and_its_p_hangs_on_n(tmp_path: Path) -> None:
    aesthetics = columns(checked(MARKDOWN, tmp_path))[0]
    assert [fit["n"] for fit in aesthetics["check"]["fits"]] == [95, 190, 236, 285]
    assert [round(fit["p"], 3) for fit in aesthetics["check"]["fits"]] == [0.275, 0.103, 0.065, 0.042]
    found = aesthetics["reconstruction"]
    assert (found["basis"], found["n"], found["counts"]) == ("smallest n that fits", 95, [39, 29, 25, 2])
    duel = found["duel"]
    assert duel["sign"]["p"] == pytest.approx(0.27499, abs=5e-6)
    assert duel["mid_p"]["p"] == pytest.approx(0.22840, abs=5e-6)
    assert (duel["trinomial"]["p"], duel["trinomial"]["n"]) == (pytest.approx(0.24960, abs=5e-6), 93)
    assert [duel["decisive"][end] for end in ("value", "low", "high")] == pytest.approx(
        [0.57353, 0.45517, 0.68403], abs=5e-6
    )
    assert duel["preference"]["value"] == pytest.approx(0.10526, abs=5e-6)
    assert duel["detectable"] == pytest.approx(0.67, abs=5e-3)
    low, high = proportion_confint(39, 95, method="wilson")
    assert (found["shares"][0]["low"], found["shares"][0]["high"]) == pytest.approx((low, high))


def test_alignment_does_not_add_up_and_fits_nothing_below_202(tmp_path: Path) -> None:
    alignment = columns(checked(MARKDOWN, tmp_path))[1]
    assert alignment["check"]["total"] == 90.1 and not alignment["check"]["adds_up"]
    assert alignment["check"]["fits"][0]["n"] == 202
    assert alignment["reconstruction"]["counts"] == [42, 38, 79, 23]
    assert alignment["reconstruction"]["unaccounted"] == 20
    assert min(repair["fit"]["n"] for repair in alignment["check"]["repairs"]) == 149


def test_what_is_said_of_the_published_table(tmp_path: Path) -> None:
    said = checked(MARKDOWN, tmp_path)["said"]
    for words in (
        "reconstruction at the smallest n, 95 (not the votes themselves)",
        "57 % (46-68), n = 68",
        ".275 at n = 95",
        "first at n = 285",
        "adds up to 90.1 %: 9.9 % is not reported",
        "(none below 202)",
        "fits n = 149 or more",
        "That the two are on par is not shown",
        "naive",
    ):
        assert words in " ".join(said.split()), words
    assert "95 votes" not in said and "smallest n that fits every column" not in said.split("all columns")[0]


def test_one_set_of_votes_behind_both_columns_needs_581(tmp_path: Path) -> None:
    table = checked(MARKDOWN, tmp_path, max_n=600)["tables"][0]
    both = [{fit["n"] for fit in column["check"]["fits"]} for column in table["columns"]]
    assert table["smallest_n_that_fits_every_column"] == min(both[0] & both[1]) == 581


@pytest.mark.parametrize("name", ["html", "latex", "pasted", "transposed", "sections"])
def test_every_way_of_writing_gives_the_same_verdict(name: str, tmp_path: Path) -> None:
    found = [column["reconstruction"] for column in columns(checked(EVERY[name], tmp_path))]
    assert [one["counts"] for one in found if one["n"] in (95, 202)] == [[39, 29, 25, 2], [42, 38, 79, 23]]


def test_the_twin_one_planted_misprint_in_the_sound_column_is_found(tmp_path: Path) -> None:
    sound, planted = (columns(checked(text, tmp_path))[0] for text in (MARKDOWN, MARKDOWN.replace("30.5%", "35.0%")))
    assert sound["check"]["adds_up"] and not sound["check"]["repairs"]
    assert not planted["check"]["adds_up"] and planted["check"]["total"] == 104.5
    assert {"cell": 1, "n": 95} in [{"cell": one["cell"], "n": one["fit"]["n"]} for one in planted["check"]["repairs"]]
    assert planted["reconstruction"] is None
    assert any("Not one vote, one answer" in claim for claim in planted["claims"])


def test_a_printed_number_of_votes_is_checked(tmp_path: Path) -> None:
    for size, fits, n in ((190, True, 190), (100, False, 95)):
        text = MARKDOWN.replace("**aesthetics**", f"aesthetics (n = {size})")
        column = columns(checked(text, tmp_path))[0]
        assert column["size_fits"] is fits and column["reconstruction"]["n"] == n
        assert ("does not fit" in column["claims"][0]) is not fits


def test_counts_need_no_reconstruction(tmp_path: Path) -> None:
    facts = checked("answer;votes\nA;39\nB;29\ntie;25\nneither;2\ntotal;95\n", tmp_path)
    column = columns(facts)[0]
    assert column["check"] is None and column["reconstruction"]["basis"] == "printed counts"
    assert column["reconstruction"]["duel"]["sign"]["p"] == stats.binomtest(39, 68).pvalue
    assert "read as counts" in facts["warnings"][0]


def test_wins_ties_and_losses_in_a_line(tmp_path: Path) -> None:
    head = "| against | Win | Tie | Lose |\n|---|---|---|---|\n"
    text = head + "| SDXL | 10.0 | 20.0 | 70.0 |\n| SD 1.5 | 60 % | 25 % | 15 % |"
    sdxl, sd = columns(checked(text, tmp_path))
    assert sdxl["column"]["labels"] == sd["column"]["labels"] == ["Win", "Lose", "Tie"]
    assert "Lose is ahead of Win" in sdxl["claims"][0] and "Win would be ahead of Lose" in sd["claims"][0]


def test_three_systems_have_shares_and_no_test(tmp_path: Path) -> None:
    column = columns(checked("A 40.0 %\nB 35.0 %\nC 25.0 %", tmp_path))[0]
    assert column["reconstruction"]["n"] == 20 and column["reconstruction"]["duel"] is None
    assert column["claims"] == ["3 systems in one column: shares, but no test of one system against another."]


def test_rows_named_by_the_reader_decide(tmp_path: Path) -> None:
    text = "A 41.1\nB 30.5\nsnowball 26.3\nzilch 2.1"
    assert columns(checked(text, tmp_path))[0]["reconstruction"]["duel"] is None
    column = columns(checked(text, tmp_path, tie="snowball", neither="zilch"))[0]
    assert column["reconstruction"]["duel"]["trinomial"]["n"] == 93
    with pytest.raises(SpecError, match="no row named 'snow ball'"):
        checked(text, tmp_path, tie="snow ball")


def test_columns_that_are_no_shares_are_left_out_with_a_reason(tmp_path: Path) -> None:
    text = "| model | win % | FID | note |\n|---|---|---|---|\n| A | 60 | 12.31 | x |\n| B | 40 | 130.2 | y |"
    facts = checked(text, tmp_path)
    assert [column["column"]["name"] for column in columns(facts)] == ["win %"]
    assert [one["name"] for one in facts["left_out"]] == ["FID"]
    with pytest.raises(TableError, match="no column of shares") as error:
        checked(text.replace("win %", "CLIP").replace("| 40 |", "| 31 |"), tmp_path)
    assert "CLIP" in error.value.hint


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.pdf").write_bytes(b"%PDF-1.7\n\x80\x81\xff")
    with pytest.raises(TableError, match="no UTF-8"):
        table_check(str(tmp_path / "table.pdf"))
    with pytest.raises(TableError, match="cannot be read"):
        table_check(str(tmp_path))
    (tmp_path / "table.txt").write_bytes("A 60 %\nB 40 %".encode("utf-16"))
    assert columns(table_check(str(tmp_path / "table.txt"), max_n=10).as_json())[0]["reconstruction"]["n"] == 5


CELLS = st.one_of(
    st.integers(0, 120).map(str),
    st.floats(0, 101).map(lambda x: f"{x:.1f} %"), st.floats(0, 1).map(lambda x: f"{x:.3f}"),
    st.sampled_from(["", "-", "n/a", "<1", "100 %", "0", "40-45", "41.1 (3)", "1,234", "x"]),
)  # fmt: skip
LABELS = st.sampled_from(["A", "B", "C", "On par", "tie", "Neither", "Total", "n", "", "Win", "Lose", "**x**"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(LABELS, CELLS, CELLS), min_size=1, max_size=6),
    bar=st.sampled_from(["|", ";", "\t", "  "]),
    unit=st.sampled_from([None, "percent", "count"]),
)
def test_any_table_ends_in_a_verdict_or_in_a_readable_error(
    tmp_path: Path, rows: list[tuple[str, str, str]], bar: str, unit: str | None
) -> None:
    try:
        facts = checked("\n".join(bar.join(row) for row in rows), tmp_path, max_n=40, unit=unit)
    except EvalkitError as error:
        assert error.what and error.where
        return
    for column in columns(facts):
        found = column["reconstruction"]
        assert column["claims"]
        if found is not None:
            assert sum(found["counts"]) + found["unaccounted"] == found["n"] >= 1
            assert all(share["low"] <= share["value"] <= share["high"] for share in found["shares"])


def test_the_command_reads_what_is_pasted() -> None:
    done = CliRunner().invoke(app, ["table", "check", "-", "--json", "--max-n", "100"], input=MARKDOWN)
    assert columns(json.loads(done.stdout))[0]["reconstruction"]["n"] == 95
    wrong = CliRunner().invoke(app, ["table", "check", "-", "--unit", "percents"], input=MARKDOWN)
    assert isinstance(wrong.exception, SpecError) and wrong.exception.hint == "did you mean 'percent'?"
