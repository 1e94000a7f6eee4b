"""ONNX Runtime: the network exported to ONNX (opset 18), run by its CPU or CUDA provider."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.runtimes._call import as_function, by_tensors

if TYPE_CHECKING:
    import torch

    from evalkit.runtimes import Forward
    from evalkit.runtimes._call import Call

info = {"title": "ONNX Runtime", "package": "onnxruntime"}


def prepare(call: Call, folder: Path) -> Forward:
    """Exports into `folder` and opens a session of as many threads as torch has.

    Raises:
        ImportError: onnx, onnxscript or onnxruntime is not installed.
    """
    import onnxruntime
    import onnxscript  # noqa: F401  (named here, so that its lack is said before minutes of export)
    import torch

    function, examples = as_function(call)
    path, names = folder / "network.onnx", [f"input_{place}" for place in range(len(examples))]
    with torch.no_grad():
        torch.onnx.export(
            function,
            examples,
            str(path),
            input_names=names,
            opset_version=18,
            dynamo=True,
            external_data=True,
            verbose=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=onnxruntime.get_available_providers())
    return by_tensors(call, lambda tensors: _run(session, tensors))


def _run(session: Any, tensors: list[torch.Tensor]) -> torch.Tensor:
    import torch

    taken = [entry.name for entry in session.get_inputs()]
    given = {f"input_{place}": tensor.cpu().numpy() for place, tensor in enumerate(tensors)}
    answer = session.run(None, {name: given[name] for name in taken})[0]
    return torch.from_numpy(answer).to(tensors[0].device, tensors[0].dtype)
