"""Inception Score against torch-fidelity, Vendi score against its definition; what both must be on planted sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats.diversity import inception_score, vendi_score


def test_the_inception_score_is_that_of_torch_fidelity() -> None:
    torch = pytest.importorskip("torch")
    fidelity = pytest.importorskip("torch_fidelity.metric_isc")
    logits = np.random.default_rng(0).normal(0, 2, (200, 30)).astype(np.float32)
    for splits in (1, 10):
        told = fidelity.isc_features_to_metric(torch.from_numpy(logits), splits=splits, shuffle=False)
        assert inception_score(logits, splits) == pytest.approx(told["inception_score_mean"], rel=1e-9)


def test_sure_and_even_classes_score_their_number_and_unsure_ones_one() -> None:
    sure = np.tile(1000.0 * np.eye(12), (5, 1))
    assert inception_score(sure) == pytest.approx(12)
    assert inception_score(np.zeros((40, 12))) == pytest.approx(1)
    assert inception_score(np.tile(sure[:1], (40, 1))) == pytest.approx(1)
    with pytest.raises(ValueError, match="for 10 parts"):
        inception_score(sure[:5], 10)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), n=st.integers(2, 25), d=st.integers(2, 12))
def test_vendi_is_the_entropy_of_the_whole_kernel(seed: int, n: int, d: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, d))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / n)
    values = values[values > 1e-15]
    assert vendi_score(rows) == pytest.approx(float(np.exp(-(values * np.log(values)).sum())), rel=1e-9)
    assert vendi_score(rows * 7) == pytest.approx(vendi_score(rows)) and 1 <= vendi_score(rows) <= min(n, d) + 1e-9


def test_vendi_counts_kinds() -> None:
    kinds = np.repeat(np.eye(8), 5, axis=0)
    assert vendi_score(kinds) == pytest.approx(8) and vendi_score(kinds[:5]) == pytest.approx(1)
    with pytest.raises(ValueError, match="all zero"):
        vendi_score(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="NaN"):
        vendi_score(np.full((3, 4), np.nan))
