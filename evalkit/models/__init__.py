"""Ways of loading a text-to-image model, a file each: `load(card, folder, dtype, device)` gives a Generator."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from evalkit import registry
from evalkit.errors import ModelError, UnavailableError
from evalkit.models._memory import Fit, fit_all, weight_bytes
from evalkit.models._pipeline import PipelineGenerator
from evalkit.settings import Settings
from evalkit.spec.catalog import UNPINNED, ModelCard
from evalkit.spec.plan import number_format
from evalkit.spec.resolve import WITHOUT_FILES
from evalkit.spec.study import Sampling
from evalkit.store.images import DrawnImage


class Generator(Protocol):
    """A loaded model."""

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> list[DrawnImage]:
        """An image for each prompt and its seed. An image depends on nothing but its own prompt, seed and sampling
        (up to the kernels' rounding, which may depend on the size of the batch)."""

    @property
    def made(self) -> dict[str, Any]:
        """Device, dtype and threads, for the record."""


def load(card: ModelCard, settings: Settings, *, compiled: bool = False, vae_slicing: bool = False) -> Generator:
    """The card's model on this machine's device, in the card's dtype (on a CPU: float32).

    Args:
        compiled: run the denoising network by torch.compile.
        vae_slicing: decode one image of a batch after the other.

    Raises:
        ModelError: the checkpoint is damaged, does not fit its card, or has pickled weights only.
        UnavailableError: it is on a hub, and not fetched yet or not pinned.
    """
    module, folder = registry.get("models", card.loader), checkpoint_folder(card, settings.root)
    if not hasattr(module, "load"):
        raise ModelError(f"{card.loader!r} is no loader", where=f"data/models/{card.name}.yaml, `loader`")
    if card.loader in WITHOUT_FILES:
        found: Generator = module.load(card, folder, dtype=None, device="cpu")
        return found
    import torch

    device = prepare_torch(settings)
    gc.collect()  # of the model before, if there was one: two at once may not fit
    loaded: PipelineGenerator = module.load(
        card, folder, dtype=getattr(torch, number_format(card, device)), device=device
    )
    loaded.tune(compiled=compiled, vae_slicing=vae_slicing)
    return loaded


def fit(cards: Iterable[tuple[ModelCard, int]], settings: Settings, device: str) -> Fit | None:
    """The batch that the device's memory has room for; None where no card has a checkpoint at hand.

    Args:
        cards: each with the pixels of one of its images. A checkpoint that is missing or damaged is told when its
            turn comes.
    """
    found = []
    for card, pixels in cards:
        with suppress(ModelError, UnavailableError):
            if card.loader not in WITHOUT_FILES:
                folder = checkpoint_folder(card, settings.root)
                found.append((weight_bytes(card, folder, device), pixels, card))
    return fit_all(found, device) if found else None


def device_for(cards: Iterable[ModelCard], settings: Settings) -> str:
    """The device that the cards' models will run on; torch is not even looked for where none of them needs it."""
    return "cpu" if all(card.loader in WITHOUT_FILES for card in cards) else pick_device(settings.device)


def prepare_torch(settings: Settings) -> str:
    """Sets threads and deterministic convolutions, quietens the libraries, and picks the device."""
    import diffusers
    import torch
    import transformers

    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    return pick_device(settings.device)


def checkpoint_folder(card: ModelCard, root: Path) -> Path:
    """Where the checkpoint lies: in the hub's cache at its pinned revision, or on disk relative to the checkout.

    Raises:
        UnavailableError: not pinned, or not in the cache.
    """
    if not card.is_hub:
        return root / card.source
    if card.revision == UNPINNED:
        raise UnavailableError(
            f"the revision of {card.name} is not pinned", where=card.source, hint="`evalkit fetch STUDY` pins it once"
        )
    from huggingface_hub import try_to_load_from_cache

    index = try_to_load_from_cache(card.source, "model_index.json", revision=card.revision)
    if not isinstance(index, str):
        where, hint = f"{card.source}@{card.revision}", "`evalkit fetch STUDY` downloads it"
        raise UnavailableError(f"{card.name} is not in the hub's cache", where=where, hint=hint)
    return Path(index).parent


def pick_device(wish: str) -> str:
    """`auto`: cuda, else mps, else cpu. Anything else is taken by its word.

    Raises:
        ModelError: the machine has no such device.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wish == "auto":
        return next(name for name, is_there in there.items() if is_there)
    if not there.get(wish.split(":")[0], False):
        have = ", ".join(name for name, is_there in there.items() if is_there)
        raise ModelError(f"no device {wish!r} here", where="EVALKIT_DEVICE", hint=f"there are: {have}")
    return wish
