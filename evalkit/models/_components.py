"""The parts of a checkpoint in the diffusers layout, each loaded so that nothing is left to chance.

The libraries fill weights that a file lacks with random numbers, and only log it. Here that is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError

if TYPE_CHECKING:
    import torch


def load_network(kind: Any, folder: Path, *, dtype: torch.dtype, variant: str | None = None) -> Any:
    """A diffusers or transformers network from safetensors, all of whose weights come from the file.

    Raises:
        ModelError: pickled only, damaged, of another class, or weights missing or of another shape.
    """
    try:
        network, found = kind.from_pretrained(
            folder,
            dtype=dtype,
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # both libraries raise many kinds for a damaged checkpoint
        raise _faulty(kind, folder, error) from error
    if lacking := sorted([*found["missing_keys"], *(str(key) for key in found["mismatched_keys"])]):
        raise ModelError(
            f"{folder.name}: {len(lacking)} weights missing or of another shape ({', '.join(lacking[:5])})",
            where=str(folder),
            hint=f"is it a {kind.__name__}? fetch it again, or name another loader",
        )
    return network.eval()


def load_part(kind: Any, folder: Path) -> Any:
    """A part without weights: tokenizer, scheduler, image processor.

    Raises:
        ModelError: its files are missing or damaged.
    """
    vocabularies = [*getattr(kind, "vocab_files_names", {}).values(), "tokenizer.json"]
    if hasattr(kind, "vocab_files_names") and not any((folder / name).is_file() for name in vocabularies):
        raise ModelError(f"no vocabulary in {folder.name}/", where=str(folder))  # the library would make an empty one
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # as above
        raise _faulty(kind, folder, error) from error


def _faulty(kind: Any, folder: Path, error: Exception) -> ModelError:
    if not folder.is_dir():
        return ModelError(f"no {folder.name}/ in the checkpoint", where=str(folder.parent))
    if list(folder.glob("*.bin")) and not list(folder.glob("*.safetensors")):
        hint = "convert them to safetensors, or take a revision that has them"
        return ModelError("only pickled weights; they can run code and are never read", where=str(folder), hint=hint)
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return ModelError(f"{folder.name} cannot be loaded as {kind.__name__}: {reason}", where=str(folder))
