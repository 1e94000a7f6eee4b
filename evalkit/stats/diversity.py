"""How varied a set is, without a reference: Inception Score and Vendi score. Both grow with the number of samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from evalkit.stats.cluster_variance import Floats


def inception_score(class_values: npt.ArrayLike, splits: int = 1) -> float:
    """exp of the mean KL(p(y|x) || p(y)), p(y|x) the softmax of a row of `class_values` (n, classes); 1 to classes.

    Salimans et al. 2016, arXiv 1606.03498. `splits`: the mean over as many parts of the rows in their order (the usual
    printed value takes 10); fewer rows in a part mean a lower value.

    Raises:
        ValueError: fewer rows than parts.
    """
    rows = _finite(class_values)
    if len(rows) < splits or splits < 1:
        raise ValueError(f"{len(rows)} rows for {splits} parts")
    return float(np.mean([_one_split(part) for part in np.array_split(rows, splits)]))


def vendi_score(features: npt.ArrayLike) -> float:
    """exp of the entropy of the eigenvalues of K/n, K the cosines of the rows (n, d): an effective number of kinds.

    Friedman, Dieng 2022, arXiv 2210.02410. From 1 (all rows alike) to n (all orthogonal), and at most d.

    Raises:
        ValueError: no rows, or one of length zero.
    """
    rows = _finite(features)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise ValueError("a feature row is all zero: it has no direction")
    unit = rows / lengths / np.sqrt(len(rows))
    kernel = unit @ unit.T if len(rows) <= rows.shape[1] else unit.T @ unit  # both have the same eigenvalues but zeros
    return float(np.exp(special.entr(np.maximum(np.linalg.eigvalsh(kernel), 0)).sum()))


def _one_split(rows: Floats) -> float:
    log_p = special.log_softmax(rows, axis=1)
    marginal = special.logsumexp(log_p, axis=0) - np.log(len(rows))
    return float(np.exp((np.exp(log_p) * (log_p - marginal)).sum(axis=1).mean()))


def _finite(rows: npt.ArrayLike) -> Floats:
    found = np.asarray(rows, dtype=np.float64)
    if found.ndim != 2 or not len(found):
        raise ValueError(f"rows have shape {found.shape}: (n, columns) is needed, n one or more")
    if not np.isfinite(found).all():
        raise ValueError("a feature is missing (NaN or infinite): list and leave out its image first")
    return found
