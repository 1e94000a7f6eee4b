"""References as mean and covariance: our own with provenance, those of pytorch-fid and clean-fid, and damaged ones."""

import numpy as np
import pytest

from evalkit import registry
from evalkit.errors import RunError, SpecError
from evalkit.extractors import inception
from evalkit.metrics._metric import FeatureSet, Workplace
from evalkit.metrics._reference import read_reference, reference_at, write_statistics

INCEPTION = "inception-2015-12-05:6726825d|pil-bicubic-f32-clip-299"


@pytest.fixture
def workplace(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "identity", lambda settings, model=None: INCEPTION)
    return Workplace(settings, tmp_path / "features")


def rows(n: int, d: int = 2048) -> FeatureSet:
    drawn = np.random.default_rng(n).random((n, d))
    return FeatureSet(drawn, np.arange(n).astype(str))


def test_our_own_file_tells_what_it_is_and_gives_the_distance_to_the_rows(tmp_path, workplace):
    base, x = rows(30, 256), rows(20, 256)
    write_statistics(tmp_path / "base.npz", base, INCEPTION, "photographs:0123abcd")
    with np.load(tmp_path / "base.npz", allow_pickle=False) as stored:
        assert (str(stored["extractor"]), str(stored["source"]), int(stored["n"])) == (
            INCEPTION,
            "photographs:0123abcd",
            30,
        )
    found = read_reference(reference_at(tmp_path / "base.npz"), "inception", workplace)
    assert found.moments.n == 30 and len(found.rows) == 0
    fid = registry.get("metrics", "fid")
    by_statistics, by_rows = (fid.estimate(x, one).estimate.value for one in (found, base))
    assert by_statistics == pytest.approx(by_rows, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_files_of_pytorch_fid_and_clean_fid_are_read(tmp_path, workplace, dtype):
    base = rows(40).rows
    np.savez(
        tmp_path / "theirs.npz", mu=base.mean(axis=0).astype(dtype), sigma=np.cov(base, rowvar=False).astype(dtype)
    )
    found = read_reference(reference_at(tmp_path / "theirs.npz"), "inception", workplace)
    assert found.moments.mean.dtype == np.float64 and found.moments.covariance.shape == (2048, 2048)
    with pytest.raises(SpecError, match="does not tell its network"):
        read_reference(reference_at(tmp_path / "theirs.npz"), "lite0", workplace)


def test_pytorch_fid_reads_ours(tmp_path):
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    base = rows(10, 16)
    write_statistics(tmp_path / "base.npz", base, INCEPTION, "x")
    mean, covariance = fid_score.compute_statistics_of_path(str(tmp_path / "base.npz"), None, 1, 16, "cpu")
    assert mean == pytest.approx(base.rows.mean(axis=0)) and covariance == pytest.approx(
        np.cov(base.rows, rowvar=False)
    )


def test_unfitting_damaged_or_foreign_files_are_refused(tmp_path, workplace):
    with pytest.raises(RunError, match="two or more"):
        write_statistics(tmp_path / "one.npz", rows(1), INCEPTION, "x")
    np.savez(tmp_path / "odd.npz", mu=np.zeros(2048), sigma=np.zeros((4, 4)))
    with pytest.raises(SpecError, match="do not fit"):
        read_reference(reference_at(tmp_path / "odd.npz"), "inception", workplace)
    write_statistics(tmp_path / "other.npz", rows(5), "inception-2015-12-05:6726825d|tf1-bilinear-299", "x")
    with pytest.raises(SpecError, match="was made by"):
        read_reference(reference_at(tmp_path / "other.npz"), "inception", workplace)
    content = (tmp_path / "other.npz").read_bytes()
    (tmp_path / "other.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(SpecError, match="cannot be read"):
        read_reference(reference_at(tmp_path / "other.npz"), "inception", workplace)
