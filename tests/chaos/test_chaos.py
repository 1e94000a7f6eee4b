"""A few rounds of the chaos suite, with their twins; `make chaos` runs all of it."""

from __future__ import annotations

import pytest

from tests.chaos import faults, kills, twins, workshop


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return workshop.build(tmp_path_factory.mktemp("chaos") / "shop")


@pytest.mark.slow
@pytest.mark.parametrize("stage", kills.STAGES, ids=lambda stage: stage.name)
def test_a_killed_stage_ends_as_an_undisturbed_one(shop, stage):
    tally = kills.killed(stage, shop, 4, seed=2)
    assert tally.faults == [] and sum(tally.landed.values()) == 4


@pytest.mark.slow
@pytest.mark.parametrize("stage", kills.STAGES, ids=lambda stage: stage.name)
def test_the_twin_content_written_in_place_is_seen(shop, stage):
    with kills.careless():
        assert kills.killed(stage, shop, 6, seed=1, only="write").faults


@pytest.mark.slow
@pytest.mark.parametrize("name", faults.SCENARIOS)
def test_a_fault_ends_well_or_in_words(shop, name):
    try:
        faults.SCENARIOS[name](shop)
    except faults.Skipped as lack:
        pytest.skip(str(lack))


@pytest.mark.slow
@pytest.mark.parametrize("name", twins.TWINS)
def test_the_twin_a_planted_fault_is_seen(shop, name):
    assert twins.TWINS[name][1](shop)
