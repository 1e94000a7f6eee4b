"""A network compiled by OpenVINO for this processor, in 32-bit floats: the same features to 1e-6, in less time."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import MissingExtraError
from evalkit.extractors import Rows


def compiled(network: Any, side: int, threads: int | None) -> Callable[[npt.NDArray[np.float32]], Rows]:
    """A torch module on pixels (n, 3, side, side) -> a function from arrays to feature rows.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise MissingExtraError("openvino", "openvino") from None
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it traces, in a way that torch is giving up
        model = openvino.convert_model(network, example_input=torch.zeros(1, 3, side, side))
    model.reshape([-1, 3, side, side])
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    ready = openvino.Core().compile_model(model, "CPU", options)

    def infer(pixels: npt.NDArray[np.float32]) -> Rows:
        return np.array(ready(pixels)[0], dtype=np.float32)

    return infer
