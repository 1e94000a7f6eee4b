"""Text states: each prompt is encoded once and by itself, the negative prompt once per run, whatever the pipeline.

What `encode_prompt` gives differs from pipeline to pipeline; here is what it gives, in order, by the names that the
pipeline's call takes. A pipeline that is not listed gets its prompts as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError
from evalkit.spec.study import Sampling

if TYPE_CHECKING:
    import torch

States = dict[str, "torch.Tensor"]
BOTH = ("prompt_embeds", "negative_prompt_embeds")
POOLED = (*BOTH, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
MASKS = ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask")
GIVEN = {
    "StableDiffusionPipeline": BOTH,
    "StableDiffusionXLPipeline": POOLED,
    "StableDiffusion3Pipeline": POOLED,
    "PixArtAlphaPipeline": MASKS,
    "FluxPipeline": ("prompt_embeds", "pooled_prompt_embeds"),
}
SCHNELL_TOKENS = 256
"""FLUX.1-schnell was distilled with so many; FluxPipeline's own default of 512 is for the guided model."""


class TextStates:
    """The states of the prompts of the last batch, and of the negative prompt."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.given = GIVEN.get(type(pipeline).__name__, _of_parent(pipeline))
        self._kept: dict[str, States] = {}
        self._negative: dict[str, States] = {}

    def of(self, prompts: Sequence[str], sampling: Sampling) -> dict[str, Any]:
        """What the pipeline's call is given for these prompts.

        Raises:
            ModelError: a negative prompt, where the pipeline has none.
        """
        if not self.given:
            return self._as_text(prompts, sampling)
        guided = any(name.startswith("negative") for name in self.given)
        if sampling.negative_prompt and not guided:
            pipeline, hint = type(self.pipeline).__name__, "remove it from the study"
            raise ModelError(f"{pipeline} takes no negative_prompt", hint=hint)
        self._kept = {text: self._kept.get(text) or self._encode(text, False) for text in dict.fromkeys(prompts)}
        found = _joined([self._kept[prompt] for prompt in prompts])
        if guided and sampling.guidance > 1:
            found |= _joined([self._negated(sampling.negative_prompt)] * len(prompts))
        unset = {"negative_prompt": None} if self.given is MASKS else {}  # its default is ""
        return found | self._options() | unset

    def _negated(self, text: str) -> States:
        if text not in self._negative:
            self._negative = {text: self._encode(text, True)}
        return self._negative[text]

    def _encode(self, text: str, negative: bool) -> States:
        """States (1, ...) of a prompt, or of a negative prompt: the same entries under their other names."""
        wishes: dict[str, Any] = {}
        if "negative_prompt_embeds" in self.given:
            wishes["do_classifier_free_guidance"] = negative
        if negative:
            wishes["negative_prompt"] = text if text or self.given is MASKS else None
        options = {"prompt_2": None} if "pooled_prompt_embeds" in self.given else {}
        options |= {"prompt_3": None} if type(self.pipeline).__name__ == "StableDiffusion3Pipeline" else {}
        prompt = "" if negative else text
        results = self.pipeline.encode_prompt(
            prompt=prompt,
            device=self.pipeline.device,
            num_images_per_prompt=1,
            **options,
            **wishes,
            **self._options(),
        )
        states = dict(zip(self.given, results, strict=False))
        return {name: value for name, value in states.items() if name.startswith("negative") == negative}

    def _options(self) -> dict[str, Any]:
        """PixArt: the prompt as it stands, not cleaned by packages that may or may not be there."""
        if self.given is MASKS:
            return {"clean_caption": False}
        if type(self.pipeline).__name__ == "FluxPipeline" and not self.pipeline.transformer.config.guidance_embeds:
            return {"max_sequence_length": SCHNELL_TOKENS}
        return {}

    @staticmethod
    def _as_text(prompts: Sequence[str], sampling: Sampling) -> dict[str, Any]:
        negative = [sampling.negative_prompt] * len(prompts) if sampling.negative_prompt else None
        return {"prompt": list(prompts)} | ({"negative_prompt": negative} if negative else {})


def _of_parent(pipeline: Any) -> tuple[str, ...]:
    """The entry of the nearest class above, so that a subclass of a known pipeline is known too."""
    return next((GIVEN[kind.__name__] for kind in type(pipeline).__mro__ if kind.__name__ in GIVEN), ())


def _joined(states: Sequence[States]) -> dict[str, Any]:
    import torch

    return {name: torch.cat([state[name] for state in states]) for name in states[0]}
