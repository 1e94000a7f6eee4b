"""Planted gaps are recovered with the coverage that is claimed; a smaller run of the committed table."""

import pytest

from tests.simulation import language_gap


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_gaps_are_covered_and_none_is_shown_where_there_is_none():
    rows = language_gap.gap_table(500)
    assert [r for r in rows if r.coverage < (0.925 if r.noise == "normal" or r.prompts >= 60 else 0.87)] == []
    assert [
        r for r in rows if r.planted == 0 and r.shown > (0.045 if r.noise == "normal" or r.prompts >= 60 else 0.11)
    ] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_families_controls_shares_and_distances_keep_their_levels():
    assert language_gap.family_errors(300) <= 0.085
    controls = language_gap.control_errors(400)
    assert controls["a shift of the whole margin"] <= 0.09 and controls["no shift"] > 0.9
    assert language_gap.lost_coverage(500, 24) >= 0.92
    for bias in (0.0, 0.3):
        cover, rejected = language_gap.distance_coverage(200, 2, 36, 20, bias)
        assert cover >= 0.91 and (rejected > 0.9 if bias else rejected < 0.1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["normal", "skewed", "uneven"])
def test_the_regression_on_tokens_covers_with_few_languages(kind):
    for prompts, languages in language_gap.SHAPES:
        found = language_gap.slope_coverage(300, prompts, languages, kind)
        assert min(found) >= 0.9 and max(found) <= 0.997, (prompts, languages, found)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_twin_a_plain_sandwich_covers_too_little(monkeypatch):
    import numpy as np

    from evalkit.stats import covariates
    from evalkit.stats.cluster_variance import cluster_variance

    def plain(design, residuals, groups):
        return cluster_variance((design @ np.linalg.inv(design.T @ design)).T * residuals, groups)

    monkeypatch.setattr(covariates, "bias_reduced", plain)
    assert language_gap.slope_coverage(300, 24, 9, "normal")[1] < 0.92


def test_the_twin_an_interval_that_ignores_prompts_covers_too_little():
    """Images taken as independent: what the simulation must catch."""
    import numpy as np

    from evalkit.stats.language_gap import gap

    rng, inside = np.random.default_rng(0), 0
    for _ in range(300):
        values, _prompts = language_gap.draw(rng, 24, "normal", 0.0)
        found = gap(values, np.arange(values.size), rng=rng, resamples=1).estimate
        inside += found.low <= 0 <= found.high
    assert inside / 300 < 0.92


def test_the_committed_table_is_there():
    text = language_gap.RESULTS.read_text(encoding="utf-8")
    assert "| 24 | normal | -8 |" in text and "Holm over 11 languages" in text and "by CR2" in text
