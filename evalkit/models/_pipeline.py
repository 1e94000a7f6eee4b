"""Drawing with a diffusers pipeline: a generator of random numbers per image, text states once per prompt."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.errors import ModelError
from evalkit.spec.catalog import ModelCard
from evalkit.spec.study import Sampling
from evalkit.store.images import DrawnImage

if TYPE_CHECKING:
    import torch

NEUTRAL: dict[str, Any] = {"guidance_rescale": 0.0, "negative_prompt": ""}
"""What a pipeline need not know, as long as the study leaves it at this value."""


@dataclass
class PipelineGenerator:
    """A loaded diffusers pipeline; `pipeline` is there for benchmarks and audits too."""

    pipeline: Any
    card: ModelCard
    _states: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._checker = getattr(self.pipeline, "safety_checker", None)
        self.pipeline.set_progress_bar_config(disable=True)
        if self.card.safety_checker and self._checker is None:
            raise ModelError("the checkpoint brings no safety checker", where=f"data/models/{self.card.name}.yaml")

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> list[DrawnImage]:
        """An image (height, width, 3) for each prompt and seed.

        Noise comes from one generator per image, on the CPU: so it is the same on every device, and for every model
        whose latents have the same shape.

        Raises:
            ModelError: the pipeline does not know a setting of the study, or memory runs out.
        """
        import torch

        if hasattr(self.pipeline, "safety_checker"):
            self.pipeline.safety_checker = self._checker if sampling.safety_checker else None
        noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        try:
            with torch.no_grad():
                wishes = self._known(_wishes(sampling, self.card.size))
                wishes.pop("negative_prompt", None)
                drawn = self.pipeline(**wishes, **self._text(prompts, sampling), generator=noise, output_type="pil")
        except torch.OutOfMemoryError as error:
            hint = f"--batch-size {max(1, len(prompts) // 2)}"
            raise ModelError(f"out of memory with {len(prompts)} images at once", hint=hint) from error
        flags = getattr(drawn, "nsfw_content_detected", None) or [False] * len(prompts)
        pictures = [np.asarray(picture.convert("RGB")) for picture in drawn.images]
        return [DrawnImage(pixels, bool(flag)) for pixels, flag in zip(pictures, flags, strict=True)]

    @property
    def made(self) -> dict[str, Any]:
        import torch

        facts = {"device": str(self.pipeline.device), "dtype": str(self.pipeline.dtype).removeprefix("torch.")}
        return facts | {"threads": torch.get_num_threads()}

    def _known(self, wishes: dict[str, Any]) -> dict[str, Any]:
        """The wishes that this pipeline's call takes; an unknown one is an error, unless it is neutral."""
        known = inspect.signature(self.pipeline.__call__).parameters
        for name, value in wishes.items():
            if name not in known and value != NEUTRAL.get(name):
                pipeline = type(self.pipeline).__name__
                raise ModelError(f"{pipeline} takes no {name}", hint=f"remove {name} = {value!r} from the study")
        return {name: value for name, value in wishes.items() if name in known}

    def _text(self, prompts: Sequence[str], sampling: Sampling) -> dict[str, Any]:
        """The prompts, as states where the pipeline's encoder is known: each prompt is encoded once, by itself."""
        import torch
        from diffusers import StableDiffusionPipeline

        if not isinstance(self.pipeline, StableDiffusionPipeline):
            negative = [sampling.negative_prompt] * len(prompts) if sampling.negative_prompt else None
            return {"prompt": list(prompts)} | ({"negative_prompt": negative} if negative else {})
        texts = dict.fromkeys([*prompts, sampling.negative_prompt])
        self._states = {text: self._states[text] if text in self._states else self._encode(text) for text in texts}
        states = {"prompt_embeds": torch.cat([self._states[prompt] for prompt in prompts])}
        if sampling.guidance <= 1:
            return states
        return states | {"negative_prompt_embeds": torch.cat([self._states[sampling.negative_prompt]] * len(prompts))}

    def _encode(self, text: str) -> torch.Tensor:
        """Text states (1, tokens, width)."""
        states: torch.Tensor = self.pipeline.encode_prompt(text, self.pipeline.device, 1, False)[0]
        return states


def _wishes(sampling: Sampling, size: int) -> dict[str, Any]:
    """The study's sampling in the words of diffusers' calls; the prompts are not among them."""
    return {
        "num_inference_steps": sampling.steps,
        "guidance_scale": sampling.guidance,
        "guidance_rescale": sampling.guidance_rescale,
        "negative_prompt": sampling.negative_prompt,
        "width": sampling.width or size,
        "height": sampling.height or size,
    }
