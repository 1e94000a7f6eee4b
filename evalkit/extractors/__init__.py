"""Feature networks: a file each. A number made with one carries its identity: weights, resizing, size.

Each file has `identity(settings, model)`, found without loading the network, and `load(settings, model)`, which gives
a function from picture files to feature rows, batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
"""(rows, dimensions)"""

EmbedPictures = Callable[[Sequence[Path]], Iterator[Rows]]
"""Picture files in, feature rows out in the same order, in batches of any length."""

EmbedTexts = Callable[[Sequence[str]], Iterator[Rows]]
"""Texts in, feature rows out in the same order, in batches of any length."""
