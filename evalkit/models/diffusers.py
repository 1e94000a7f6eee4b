"""Any text-to-image checkpoint in the diffusers layout, of diffusers' own classes: safetensors only, no remote code."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError
from evalkit.models._components import load_network
from evalkit.models._pipeline import PipelineGenerator
from evalkit.models._weights import read_json
from evalkit.spec.catalog import ModelCard

if TYPE_CHECKING:
    import torch


def load(card: ModelCard, folder: Path, *, dtype: torch.dtype, device: str) -> PipelineGenerator:
    """The pipeline that `model_index.json` describes.

    Every network is loaded by itself and must be complete; classes come from diffusers and transformers only.

    Raises:
        ModelError: files are missing, pickled or damaged, or a class is none of diffusers' text-to-image ones.
    """
    index = read_json(folder / "model_index.json")
    pipeline_class = _pipeline_class(str(index.get("_class_name")), folder)
    networks: dict[str, Any] = {"safety_checker": None} if "safety_checker" in index else {}
    for name, entry in index.items():
        if isinstance(entry, list) and (kind := _network_class(name, entry, folder)) is not None:
            networks[name] = load_network(kind, folder / name, dtype=dtype, variant=card.variant)
    try:
        pipeline = pipeline_class.from_pretrained(folder, **networks, dtype=dtype, local_files_only=True)
    except Exception as error:  # diffusers and transformers raise many kinds for a damaged part
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(f"the pipeline cannot be put together: {reason}", where=str(folder)) from error
    return PipelineGenerator(pipeline.to(device), card)


def _pipeline_class(name: str, folder: Path) -> Any:
    import diffusers

    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        hint = "loader: decidiffusion" if name == "DeciDiffusionPipeline" else "only diffusers' own pipelines are run"
        raise ModelError(f"no pipeline {name!r} in diffusers", where=str(folder / "model_index.json"), hint=hint)
    return found


def _network_class(name: str, entry: list[Any], folder: Path) -> Any:
    """The class of a component if it has weights; None for tokenizers, schedulers and what is left out."""
    import diffusers
    import torch
    import transformers

    library, kind = entry
    if library is None or kind is None:
        return None
    homes: dict[str, Any] = {"diffusers": diffusers, "transformers": transformers}
    if library not in homes and hasattr(diffusers.pipelines, str(library)):
        homes[library] = import_module(f"diffusers.pipelines.{library}")
    found = getattr(homes.get(library), str(kind), None)
    if not isinstance(found, type):
        where = str(folder / "model_index.json")
        raise ModelError(f"component {name!r}: no class {library}.{kind}", where=where, hint="custom code is never run")
    return found if issubclass(found, torch.nn.Module) else None
