"""A few rounds of the chaos suite, with their twins; `make chaos` runs all of it."""

from __future__ import annotations

import argparse
import time

import pytest

from tests.chaos import __main__, faults, kills, rays, twins, workshop


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
@pytest.mark.skipif(not rays.there(), reason="ray is not installed (pip install 'evalkit[ray]')")
def test_a_killed_ray_node_costs_nothing_and_content_written_in_place_is_seen(tmp_path):
    tally = rays.node_killed(tmp_path, 2, seed=2, planted=True)
    assert tally.faults == [] and tally.kills == 2 and tally.planted


def test_what_the_time_does_not_suffice_for_is_named():
    """The twin of a table that looks whole: the limit is over at once, and each kind of kill says what it lacks."""
    __main__.JOBS = {"x": lambda until: kills.Tally("x", kills=int(until < time.monotonic()), wanted=5)}
    assert __main__._tally("x", time.monotonic() - 1, 4).kills == 1
    asked, cut = argparse.Namespace(minutes=10), list[str]()
    assert __main__.told_cut(asked, cut) == "Limit: 10 minutes; nothing was cut."
    assert __main__.scenarios(None, [], time.monotonic() - 1, cut) == (
        ["| fault | what is said | then |", "|---|---|---|"],
        0,
    )
    assert cut == list(faults.SCENARIOS) and "disk full" in __main__.told_cut(asked, cut)


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
