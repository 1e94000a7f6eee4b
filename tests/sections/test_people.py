"""Who is shown, as the report says it: unknown faces, chance beside the distance, HEIM with its defects."""

import pandas as pd
import pytest

from evalkit.checks import representation
from evalkit.sections import people
from evalkit.settings import Settings
from evalkit.store.frames import AUDIT
from tests.checks.test_representation import material, planted  # noqa: F401
from tests.sections.simulated_run import Plan, simulate_run


@pytest.fixture
def run(tmp_path, planted, monkeypatch):  # noqa: F811
    monkeypatch.setattr(representation, "heim_tone", lambda path: 4)
    monkeypatch.setattr(representation, "is_black", lambda path: False)
    monkeypatch.setattr(representation, "seen_as_female", lambda files, *_: dict.fromkeys(files, True))
    settings = Settings(root=tmp_path, _env_file=None)
    rows = [row.as_row() for row in representation.check(material(settings, heim_compat=True))]
    run = simulate_run(
        tmp_path / "run", Plan(systems=("one", "two"), titles=("One", "Two"), parts=("images",), published=False)
    )
    numbers = dict.fromkeys(("value", "low", "high", "p", "p_holm"), "float64")
    run.write_table("audit.parquet", pd.DataFrame(rows, columns=list(AUDIT)).astype(numbers), "audit")
    checks = {"representation": {"limits": list(representation.info.limits)}}
    run.write_json("audit.json", {"base": "en", "languages": [], "controls": [], "units": {}, "checks": checks})
    return run


def test_it_says_distance_chance_and_how_many_could_not_be_judged(run):
    found = people.section(run)
    assert found.title == "2 of 2 comparisons with the reference differ from it"
    assert "unknown" in found.conclusion and "by chance" in found.conclusion and "no face" not in found.title
    figures = [block for block in found.blocks if block.kind == "figure"]
    assert len(figures) == 2 and "no face" in figures[0].panels[0].svg and "Monk 10" in figures[1].panels[0].svg
    said = str(found.blocks)
    assert "gender imbalance" in said and "HEIM" in said and "such skin is not seen" in said and "0.18" in said
    assert "by this classifier" in said or "as this classifier perceives it" in said


def test_nobody_found_is_no_number(tmp_path, monkeypatch):
    from evalkit.checks._faces import NO_FACE, Seen

    monkeypatch.setattr(representation, "_look", lambda material_, files: [Seen(NO_FACE, NO_FACE, 0) for _ in files])
    monkeypatch.setattr(representation, "instrument", lambda: "planted")
    rows = representation.check(material(Settings(root=tmp_path, _env_file=None)))
    distances = [row for row in rows if row.measure == "total variation"]
    assert [row.estimate.value for row in distances] == [None, None]
    assert not any(row.measure == "null floor" for row in rows)
