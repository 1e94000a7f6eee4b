"""Drawing with a diffusers pipeline: a generator of random numbers per image, text states once per prompt.

Attention is torch's scaled_dot_product_attention, diffusers' and transformers' own default. Guided steps run as one
batch of 2 n samples.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError, OutOfMemoryError
from evalkit.models._memory import is_out_of_memory
from evalkit.models._text import TextStates
from evalkit.spec.catalog import ModelCard
from evalkit.spec.study import Sampling
from evalkit.store.images import DrawnImage

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

NEUTRAL: dict[str, Any] = {"guidance_rescale": 0.0, "negative_prompt": "", "use_resolution_binning": False}
"""What a pipeline need not know, as long as the study leaves it at this value."""


@dataclass
class PipelineGenerator:
    """A loaded diffusers pipeline; `pipeline` is there for benchmarks and audits too."""

    pipeline: Any
    card: ModelCard
    compiled: bool = False
    vae_slicing: bool = False

    def __post_init__(self) -> None:
        self._checker = getattr(self.pipeline, "safety_checker", None)
        self._text = TextStates(self.pipeline)
        self.pipeline.set_progress_bar_config(disable=True)
        if self.card.safety_checker and self._checker is None:
            raise ModelError("the checkpoint brings no safety checker", where=f"data/models/{self.card.name}.yaml")
        _channels_last(self.pipeline)

    def tune(self, *, compiled: bool, vae_slicing: bool) -> None:
        """torch.compile for the denoising network (the first batch of a size waits for it); decoding one by one."""
        if compiled and not self.compiled:
            denoiser(self.pipeline).compile()
        if hasattr(self.pipeline.vae, "use_slicing"):
            self.pipeline.vae.use_slicing = vae_slicing
        self.compiled, self.vae_slicing = compiled, vae_slicing

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> list[DrawnImage]:
        """An image (height, width, 3) for each prompt and seed.

        Noise comes from one generator per image, on the CPU: so it is the same on every device, and for every model
        whose latents have the same shape.

        Raises:
            ModelError: the pipeline does not know a setting of the study.
            OutOfMemoryError: the device's memory is too small for so many images.
        """
        import torch

        if hasattr(self.pipeline, "safety_checker"):
            self.pipeline.safety_checker = self._checker if sampling.safety_checker else None
        noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        wishes = self._known(_wishes(sampling, self.card.size))
        wishes.pop("negative_prompt", None)
        try:
            with torch.no_grad():
                drawn = self.pipeline(**wishes, **self._text.of(prompts, sampling), generator=noise, output_type="pt")
                pictures = as_pixels(drawn.images)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            hint = f"--batch-size {max(1, len(prompts) // 2)}, or a smaller width and height"
            raise OutOfMemoryError(f"out of memory with {len(prompts)} images at once", hint=hint) from None
        flags = getattr(drawn, "nsfw_content_detected", None) or [False] * len(prompts)
        return [DrawnImage(pixels, bool(flag)) for pixels, flag in zip(pictures, flags, strict=True)]

    @property
    def made(self) -> dict[str, Any]:
        import torch

        facts = {"device": str(self.pipeline.device), "dtype": str(self.pipeline.dtype).removeprefix("torch.")}
        facts |= {"threads": torch.get_num_threads()}
        tuned = {"compiled": self.compiled, "vae_slicing": self.vae_slicing}
        return facts | {name: True for name, on in tuned.items() if on}

    def _known(self, wishes: dict[str, Any]) -> dict[str, Any]:
        """The wishes that this pipeline's call takes; an unknown one is an error, unless it is neutral."""
        known = inspect.signature(self.pipeline.__call__).parameters
        for name, value in wishes.items():
            if name not in known and value != NEUTRAL.get(name):
                pipeline = type(self.pipeline).__name__
                raise ModelError(f"{pipeline} takes no {name}", hint=f"remove {name} = {value!r} from the study")
        return {name: value for name, value in wishes.items() if name in known}


def denoiser(pipeline: Any) -> Any:
    """The network that is run at every step: a U-Net or a transformer."""
    return getattr(pipeline, "unet", None) or pipeline.transformer


def as_pixels(images: torch.Tensor) -> list[NDArray[np.uint8]]:
    """Numbers 0..1 (n, 3, height, width) as 8 bits (height, width, 3), rounded as diffusers does it."""
    import torch

    with torch.no_grad():
        whole = images.float().mul(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return list(whole.cpu().numpy())


def _channels_last(pipeline: Any) -> None:
    """Convolutions of a U-Net on channels-last tensors: from no gain to a fifth less time a step on a processor
    (tests/benchmarks/generate.md); on CUDA it is what tensor cores read. The autoencoder gained nothing, and Apple's
    backend was not at hand: both stay as they are."""
    import torch

    unet = getattr(pipeline, "unet", None)
    if unet is not None and pipeline.device.type in ("cpu", "cuda"):
        unet.to(memory_format=torch.channels_last)


def _wishes(sampling: Sampling, size: int) -> dict[str, Any]:
    """The study's sampling in the words of diffusers' calls; the prompts are not among them."""
    return {
        "num_inference_steps": sampling.steps,
        "guidance_scale": sampling.guidance,
        "guidance_rescale": sampling.guidance_rescale,
        "negative_prompt": sampling.negative_prompt,
        "width": sampling.width or size,
        "height": sampling.height or size,
        "use_resolution_binning": False,  # PixArt would draw another size and resize it
    }
