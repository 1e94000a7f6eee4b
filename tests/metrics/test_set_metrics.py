"""Set metrics against torch-fidelity, brute force and closed forms; what has no valid interval gets none."""

import numpy as np
import pytest
from scipy import stats

from evalkit import registry
from evalkit.metrics import (
    authpct_lite0,
    cmmd,
    cmmd_v,
    fd_infinity_lite0,
    fd_lite0,
    fd_pca64,
    kid,
    kid_lite0,
    mifd_lite0,
)
from evalkit.metrics._metric import FeatureSet
from evalkit.metrics._test import p_value
from evalkit.stats.estimate import Estimate
from evalkit.stats.frechet import frechet_distance_from_features, moments
from tests.conftest import ROOT

SET_METRICS = [name for name in registry.names("metrics") if registry.get("metrics", name).info.level == "set"]


def features(n: int, d: int, *, seed: int, shift: float = 0.0, scale: float = 1.0, per_prompt: int = 1) -> FeatureSet:
    rows = np.random.default_rng(seed).normal(shift, scale, (n, d))
    return FeatureSet(rows, np.array([f"p{number // per_prompt}" for number in range(n)]))


def reference(n: int, d: int, seed: int = 99) -> FeatureSet:
    drawn = features(n, d, seed=seed)
    return FeatureSet(drawn.rows, np.array([f"r{number}" for number in range(n)]))


def test_few_images_give_the_plain_value_its_n_and_no_interval():
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    x, base = features(60, 40, seed=0, shift=0.3), reference(70, 40)
    found = fd_lite0.estimate(x, base)
    told = fidelity.fid_statistics_to_metric(
        *({"mu": one.rows.mean(axis=0), "sigma": np.cov(one.rows, rowvar=False)} for one in (x, base)), verbose=False
    )
    assert found.estimate.value == pytest.approx(told["frechet_inception_distance"], rel=1e-6)
    assert (found.estimate.low, found.estimate.high, found.variant) == (None, None, "plain|n=60")
    assert "no valid interval" in found.estimate.note


def test_enough_images_give_the_corrected_value_around_the_truth():
    d, shift = 16, 0.5
    found = fd_lite0.estimate(features(600, d, seed=1, shift=shift), reference(600, d))
    truth = d * shift**2  # two normal populations of equal covariance
    assert found.estimate.low < truth < found.estimate.high
    assert found.variant == "jackknife|n=600"
    assert "as usually printed" in found.estimate.note


def test_unequal_numbers_of_images_have_unlike_signatures():
    base = reference(70, 40)
    assert (
        fd_lite0.estimate(features(60, 40, seed=0), base).variant
        != fd_lite0.estimate(features(59, 40, seed=0), base).variant
    )


def test_a_frechet_difference_sees_a_planted_shift_and_not_a_planted_null():
    d, base = 16, reference(600, 16)
    near, far = features(600, d, seed=2), features(600, d, seed=3, shift=0.3)
    planted = fd_lite0.difference(far, near, base)
    assert planted.estimate.low > 0 and planted.p < 0.001
    null = fd_lite0.difference(features(600, d, seed=4), near, base)
    assert null.estimate.low < 0 < null.estimate.high and null.p > 0.05


def test_pca64_has_an_interval_where_all_dimensions_allow_none():
    d, base = 200, reference(300, 200)
    x = features(150, d, seed=5, shift=0.2)
    assert fd_lite0.estimate(x, base).estimate.low is None
    found = fd_pca64.estimate(x, base)
    assert found.estimate.low < found.estimate.value < found.estimate.high
    centre = base.rows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(base.rows, rowvar=False))
    axes = vectors[:, np.argsort(values)[::-1][:64]]
    projected = [FeatureSet((one.rows - centre) @ axes, one.prompts) for one in (x, base)]
    assert found.estimate.value == pytest.approx(fd_lite0.estimate(*projected).estimate.value, rel=1e-6)


def test_kid_is_the_unbiased_statistic_of_torch_fidelity():
    fidelity = pytest.importorskip("torch_fidelity.metric_kid")
    x, base = features(50, 12, seed=6, shift=0.4), reference(70, 12)
    half = FeatureSet(base.rows[:50], base.prompts[:50])
    kernels = [
        (one @ two.T / 12 + 1) ** 3 for one, two in ((x.rows, x.rows), (x.rows, half.rows), (half.rows, half.rows))
    ]
    assert kid_lite0.estimate(x, half).estimate.value == pytest.approx(fidelity.mmd2(*kernels), rel=1e-9)
    assert kid.estimate(x, base).estimate.value == pytest.approx(kid_lite0.estimate(x, base).estimate.value)


def test_cmmd_is_the_mean_over_different_pairs_and_tells_the_bias_of_the_public_code():
    x, base = features(30, 8, seed=7, shift=1.0), reference(40, 8)
    unit = [one.rows / np.linalg.norm(one.rows, axis=1, keepdims=True) for one in (x, base)]

    def mean_kernel(a, b, different):
        squares = ((a[:, None] - b[None]) ** 2).sum(axis=2)
        kernel = np.exp(-squares / 200)
        return kernel[~np.eye(len(a), dtype=bool)].mean() if different else kernel.mean()

    def statistic(different):
        own = mean_kernel(unit[0], unit[0], different) + mean_kernel(unit[1], unit[1], different)
        return 1000 * (own - 2 * mean_kernel(unit[0], unit[1], False))

    found = cmmd.estimate(x, base).estimate
    assert found.value == pytest.approx(statistic(True), rel=1e-9)
    told = float(found.note.split("about ")[1].split(" ")[0])
    assert told == pytest.approx(statistic(False) - statistic(True), rel=0.02)


@pytest.mark.parametrize("metric", [kid_lite0, cmmd])
def test_a_kernel_difference_is_the_difference_and_its_interval_the_brute_force_jackknife(metric):
    x, y, base = (
        features(120, 6, seed=8, per_prompt=2),
        features(120, 6, seed=9, shift=0.5, per_prompt=2),
        reference(80, 6),
    )
    found = metric.difference(x, y, base)
    value = metric.estimate(x, base).estimate.value - metric.estimate(y, base).estimate.value
    assert found.estimate.value == pytest.approx(value, rel=1e-9)

    def without(one, label):
        keep = one.prompts != label
        return FeatureSet(one.rows[keep], one.prompts[keep])

    labels = np.unique(np.concatenate([x.prompts, y.prompts, base.prompts]))
    left = [
        metric.estimate(without(x, label), without(base, label)).estimate.value
        - metric.estimate(without(y, label), without(base, label)).estimate.value
        for label in labels
    ]
    error = np.sqrt((len(left) - 1) * np.var(left))
    half = stats.t.isf(0.025, 59) * error
    assert (found.estimate.low, found.estimate.high) == pytest.approx((value - half, value + half), rel=1e-6)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(value) / error, 59), rel=1e-6)


@pytest.mark.parametrize("name", SET_METRICS)
def test_every_set_metric_orders_planted_shifts_and_draws_nothing_unseeded(name):
    metric, base = registry.get("metrics", name), reference(200, 6)
    if not metric.info.reference:
        pytest.skip("measures no distance: tests/stats/test_diversity.py")
    rising = (metric.info.direction == "lower") != name.startswith("authpct")  # what is far away is no copy
    values = [metric.estimate(features(200, 6, seed=10, shift=shift), base).estimate.value for shift in (0, 1, 1.8)]
    assert values == sorted(values, reverse=not rising) and len(set(values)) == 3
    one, two = (metric.difference(*(features(200, 6, seed=s) for s in (10, 11)), base) for _ in range(2))
    assert one == two


def test_precision_has_an_interval_by_prompt_and_recall_none():
    x, y, base = features(90, 6, seed=12), features(90, 6, seed=13, shift=1.2), reference(100, 6)
    precision, recall = (registry.get("metrics", f"{name}_lite0") for name in ("precision", "recall"))
    found = precision.estimate(x, base).estimate
    assert found.low <= found.value <= found.high <= 1
    planted = precision.difference(x, y, base)
    assert planted.estimate.low > 0 and planted.p < 0.001
    assert recall.estimate(x, base).estimate.low is None
    assert recall.difference(x, y, base).estimate.value is None


def test_the_other_convention_is_told_where_rows_coincide():
    base = reference(30, 6)
    same = FeatureSet(np.repeat(base.rows[:1], 12, axis=0), np.arange(12).astype(str))
    found = registry.get("metrics", "recall_lite0").estimate(same, FeatureSet(same.rows.copy(), same.prompts))
    assert (found.estimate.value, found.variant) == (
        0,
        "k=5|<|n=12",
    ) and "with <= instead of <: 1" in found.estimate.note
    plain = registry.get("metrics", "precision_lite0").estimate(features(40, 6, seed=1), base).estimate
    assert "<=" not in (plain.note or "")


def test_cmmd_v_is_the_public_statistic_and_tells_its_null():
    x, base = features(60, 8, seed=7), reference(60, 8)
    unit = [one.rows / np.linalg.norm(one.rows, axis=1, keepdims=True) for one in (x, base)]
    kernels = [
        np.exp(-((unit[a][:, None] - unit[b][None]) ** 2).sum(axis=2) / 200) for a, b in ((0, 0), (1, 1), (0, 1))
    ]
    found = cmmd_v.estimate(x, base).estimate
    assert found.value == pytest.approx(1000 * (kernels[0].mean() + kernels[1].mean() - 2 * kernels[2].mean()))
    null = float(found.note.split("about ")[1])
    cosines = [(rows @ rows.T)[~np.eye(60, dtype=bool)].mean() for rows in unit]
    assert null == pytest.approx(20 * (1 - np.mean(cosines)) / 60, rel=0.01)
    drawn = [cmmd_v.estimate(features(60, 8, seed=s), reference(60, 8, seed=500 + s)).estimate for s in range(60)]
    assert np.mean([one.value for one in drawn]) == pytest.approx(null, rel=0.2) and found.low is None


def test_a_reference_of_statistics_gives_the_plain_value_without_an_interval():
    x, base = features(600, 16, seed=1, shift=0.5), reference(600, 16)
    known = FeatureSet(np.zeros((0, 16)), np.array([], dtype=str), moments([base.rows]))
    found = fd_lite0.estimate(x, known).estimate
    assert found.value == pytest.approx(_plain(x, base)) and found.low is None and "covariance only" in found.note
    assert fd_lite0.difference(x, x, known).estimate.value is None
    infinity = (fd_infinity_lite0.estimate(x, one).estimate.value for one in (known, base))
    assert next(infinity) == pytest.approx(next(infinity))


def test_more_neighbours_than_images_give_no_number_and_a_sentence():
    precision = registry.get("metrics", "precision_lite0")
    found = precision.estimate(features(4, 6, seed=0), reference(100, 6)).estimate
    assert found.value is None and found.note == "4 and 100 images: more than 5 of each are needed"


def test_infinity_is_nearer_to_the_truth_than_the_plain_value_and_names_its_seed():
    x, base = features(300, 16, seed=3, shift=0.5), reference(40_000, 16)
    found = fd_infinity_lite0.estimate(x, base)
    assert abs(found.estimate.value - 4.0) < abs(_plain(x, base) - 4.0)
    assert found.variant == "line|points=15|seed=0|n=300" and found.estimate.low is None
    assert fd_infinity_lite0.difference(x, x, base).estimate.value is None


def test_copies_raise_mifd_and_lower_authpct():
    base = reference(200, 64)
    own = features(200, 64, seed=1)
    copies = FeatureSet(base.rows + 1e-3 * own.rows, own.prompts)
    assert mifd_lite0.estimate(own, base).estimate.value == pytest.approx(_plain(own, base))
    found = mifd_lite0.estimate(copies, base).estimate
    assert found.value > 100 * _plain(copies, base) and found.low is None and "training set" in found.note
    honest, planted = (authpct_lite0.estimate(one, base).estimate for one in (own, copies))
    assert planted.value == 0 < honest.low < honest.value < honest.high <= 100
    assert authpct_lite0.difference(own, copies, base).p < 0.001


def _plain(x, base):
    return frechet_distance_from_features(x.rows, base.rows)


def test_the_p_of_an_interval_is_that_of_the_t_test():
    values = np.random.default_rng(3).normal(0.3, 1, 20)
    told = stats.ttest_1samp(values, 0)
    low, high = told.confidence_interval()
    estimate = Estimate(float(values.mean()), float(low), float(high), 20, "t")
    assert p_value(estimate, 19, 0.95) == pytest.approx(told.pvalue, rel=1e-9)
    assert p_value(Estimate(1.0, None, None, 20, "t"), 19, 0.95) is None


@pytest.mark.parametrize("name", registry.names("metrics"))
def test_every_metric_tells_what_a_reader_needs(name):
    metric = registry.get("metrics", name)
    info = metric.info
    assert metric.__doc__.strip().splitlines()[0].endswith(".")
    assert info.level in ("image", "set") and info.direction in ("higher", "lower") and info.version >= 1
    assert info.unit and "arXiv" in info.citation and info.reads.endswith(".")
    assert info.extractor in registry.names("extractors") or (info.extractor == "" and hasattr(metric, "identity"))
    assert info.network is None or (ROOT / "data/networks" / f"{info.network}.yaml").is_file()
    assert hasattr(metric, "score") if info.level == "image" else hasattr(metric, "estimate")


def test_what_is_not_the_inception_network_is_not_called_fid_or_kid():
    for name in SET_METRICS:
        metric = registry.get("metrics", name)
        if name.startswith(("fd", "fid", "kid")) and metric.info.extractor != "inception":
            assert name not in ("fid", "kid")
            assert "Not FID" in metric.__doc__ or "Not KID" in metric.__doc__
