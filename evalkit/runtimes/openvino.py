"""OpenVINO on the CPU, in the network's own number format: traced from PyTorch, compiled for this processor."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.runtimes._call import as_function, by_tensors

if TYPE_CHECKING:
    from evalkit.runtimes import Forward
    from evalkit.runtimes._call import Call

info = {"title": "OpenVINO", "package": "openvino"}


def prepare(call: Call, folder: Path) -> Forward:
    """Converts and compiles for latency, float32, with as many threads as torch has.

    Raises:
        ImportError: openvino is not installed.
    """
    import openvino
    import torch

    function, examples = as_function(call)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of shapes that it fixes, which is what is wanted here
        model = openvino.convert_model(function, example_input=examples)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino.compile_model(model, "CPU", settings)

    def run(tensors: list[torch.Tensor]) -> torch.Tensor:
        answer = compiled([tensor.cpu().numpy() for tensor in tensors])[0]
        return torch.from_numpy(answer).to(tensors[0].device, tensors[0].dtype)

    return by_tensors(call, run)
