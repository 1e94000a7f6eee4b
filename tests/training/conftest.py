"""Shapes instead of emoji: the tests of the training need no graphics from outside."""

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.training.scenes import OBJECT_SIDES, Graphics
from evalkit.training.vocabulary import KINDS


@pytest.fixture(scope="session")
def sprites() -> Graphics:
    """Discs, drawn once."""
    return discs()


def discs() -> Graphics:
    """A disc for each object, in a colour and with a radius of its own."""
    return Graphics(tuple({side: _disc(side, kind) for side in OBJECT_SIDES} for kind in range(len(KINDS))))


def _disc(side: int, kind: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    alpha = (np.hypot(rows, columns) < side * (0.2 + 0.006 * kind)).astype(np.float32)
    colour = np.random.default_rng(kind).random(3, dtype=np.float32)
    return np.concatenate([alpha[..., None] * colour, alpha[..., None]], axis=2)
