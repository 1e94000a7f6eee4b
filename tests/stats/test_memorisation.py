"""Nearest neighbours, MiFID and AuthPct against torchmetrics and loops that follow the definitions; planted copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats import frechet
from evalkit.stats.memorisation import authentic, memorisation_distance, memorisation_informed, nearest


def drawn(seed: int, n: int, d: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), n=st.integers(1, 30), m=st.integers(2, 30))
def test_neighbours_and_authenticity_by_definition(seed: int, n: int, m: int) -> None:
    x, base = drawn(seed, n), drawn(seed + 1, m)
    found, told = nearest(x, base), authentic(x, base)
    for row, index, distance, is_authentic in zip(x, found.index, found.distance, told, strict=True):
        gaps = [np.linalg.norm(row - other) for other in base]
        assert index == int(np.argmin(gaps)) and distance == pytest.approx(min(gaps))
        own = min(np.linalg.norm(base[index] - other) for i, other in enumerate(base) if i != index)
        assert is_authentic == float(own < min(gaps))


def test_blocks_change_nothing(monkeypatch) -> None:
    x, base = drawn(0, 30), drawn(1, 41)
    base[17] = base[3]
    whole = nearest(x, base), authentic(x, base), memorisation_distance(x, base)
    monkeypatch.setattr(frechet, "_ROWS_AT_ONCE", 7)
    parts = nearest(x, base), authentic(x, base), memorisation_distance(x, base)
    assert (parts[0].index == whole[0].index).all() and (parts[1] == whole[1]).all()
    assert parts[0].distance == pytest.approx(whole[0].distance) and parts[2] == pytest.approx(whole[2], rel=1e-12)


def test_copies_are_not_authentic_and_strangers_are() -> None:
    base = drawn(0, 400)
    assert authentic(base, base).mean() == 0
    assert authentic(base + 1e-3, base).mean() == 0
    assert authentic(drawn(1, 400) + 30, base).mean() == 1
    assert 0.4 < authentic(drawn(1, 400), base).mean() < 0.6
    doubled = np.concatenate([base, base])  # a copy of a training row that is there twice: not farther than its twin
    assert authentic(base, doubled).mean() == 0


def test_a_planted_copy_is_found_in_its_place() -> None:
    base, x = drawn(0, 300), drawn(1, 50)
    x[7] = base[123]
    found = nearest(x, base)
    assert found.index[7] == 123 and found.distance[7] == 0 and np.argmin(found.distance) == 7


def test_the_memorisation_distance_and_mifid_are_those_of_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    mifid = pytest.importorskip("torchmetrics.image.mifid")
    x, base = drawn(0, 40, 64), drawn(1, 60, 64)
    for rows in (x, 0.3 * x + base[:40]):
        ours = memorisation_distance(rows, base)
        fed = torch.from_numpy(rows), torch.from_numpy(base)
        raw = float(mifid._compute_cosine_distance(*fed, cosine_distance_eps=10.0))
        assert ours == pytest.approx(raw, rel=1e-9)
        limited = float(mifid._compute_cosine_distance(*fed, cosine_distance_eps=0.1))
        assert memorisation_informed(7.0, ours) == pytest.approx(7.0 / (limited + 10e-15), rel=1e-9)
    assert memorisation_distance(x, base) > 0.1 > memorisation_distance(0.3 * x + base[:40], base)


def test_copies_make_it_large_and_nothing_makes_it_small() -> None:
    base = drawn(0, 50)
    assert memorisation_distance(base, base) == pytest.approx(0, abs=1e-12)
    assert memorisation_informed(3.0, 0.0) > 1e12
    assert memorisation_informed(0.0, 0.0) == 0.0 and memorisation_informed(3.0, 0.1) == 3.0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more"):
        authentic(drawn(0, 3), drawn(0, 1))
    with pytest.raises(ValueError, match="one or more"):
        nearest(np.zeros((0, 3)), drawn(0, 4, 3))
    with pytest.raises(ValueError, match="needed"):
        nearest(drawn(0, 3, 4), drawn(0, 3, 5))
    with pytest.raises(ValueError, match="NaN"):
        nearest(np.full((3, 4), np.nan), drawn(0, 3, 4))
    with pytest.raises(ValueError, match="direction"):
        memorisation_distance(np.zeros((3, 4)), drawn(0, 3, 4))
