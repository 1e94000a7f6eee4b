"""Any text-to-image checkpoint in the diffusers layout, of diffusers' own classes: safetensors only, no remote code."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError
from evalkit.models._components import load_network, load_part
from evalkit.models._pipeline import PipelineGenerator
from evalkit.models._weights import read_json
from evalkit.spec.catalog import ModelCard

if TYPE_CHECKING:
    import torch

RENAMED = {"CLIPFeatureExtractor": "CLIPImageProcessor"}
"""Classes that model_index.json names as of 2022, by their names of today."""


def load(card: ModelCard, folder: Path, *, dtype: torch.dtype, device: str) -> PipelineGenerator:
    """The pipeline that `model_index.json` describes.

    Every part is loaded by itself and must be complete; classes come from diffusers and transformers only.

    Raises:
        ModelError: files are missing, pickled or damaged, or a class is none of diffusers' text-to-image ones.
    """
    index = read_json(folder / "model_index.json")
    pipeline_class = _pipeline_class(str(index.get("_class_name")), folder)
    parts = {name: _part(name, entry, folder, card, dtype) for name, entry in index.items() if isinstance(entry, list)}
    try:
        pipeline = pipeline_class.from_pretrained(folder, **parts, dtype=dtype, local_files_only=True)
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


def _part(name: str, entry: list[Any], folder: Path, card: ModelCard, dtype: torch.dtype) -> Any:
    """One component of the pipeline; None for those that the checkpoint leaves out."""
    import diffusers
    import torch
    import transformers

    library, kind_name = entry
    if library is None or kind_name is None:
        return None
    kind_name = RENAMED.get(kind_name, kind_name)
    homes: dict[str, Any] = {"diffusers": diffusers, "transformers": transformers}
    if library not in homes and hasattr(diffusers.pipelines, str(library)):
        homes[library] = import_module(f"diffusers.pipelines.{library}")
    kind = getattr(homes.get(library), str(kind_name), None)
    if not isinstance(kind, type):
        where, hint = str(folder / "model_index.json"), "custom code is never run"
        raise ModelError(f"component {name!r}: no class {library}.{kind_name}", where=where, hint=hint)
    if issubclass(kind, torch.nn.Module):
        return load_network(kind, folder / name, dtype=dtype, variant=card.variant)
    return load_part(kind, folder / name)
