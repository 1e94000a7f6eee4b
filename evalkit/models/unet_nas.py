"""The U-Net-NAS of DeciDiffusion 1.0, built from the `configurations` of its `flexible_unet/config.json`.

The network is a diffusers model (ModelMixin, ConfigMixin) with the call of `UNet2DConditionModel`, made of diffusers'
own ResnetBlock2D, Transformer2DModel, Downsample2D and Upsample2D. Where they stand is worked out in `_nas_layout.py`:
unlike a stock U-Net, a level may hold any number of attentions (none at the full resolution), the last level is
halved once more, and skips are taken before the attention. Any dict of that form works: the real one has
814,746,884 parameters in 612 tensors, a test's a few thousand.

The middle's first residual runs twice in the published code that the weights were made with; `mid_first_resnet_twice:
false` in config.json turns that off.

    from evalkit.models.unet_nas import UNetNAS, load_unet_nas
    net = UNetNAS(configurations=...)                    # random weights
    net = load_unet_nas(folder, dtype=torch.float16)     # folder: config.json and *.safetensors
    net.save_pretrained(folder)                          # the same layout again
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError
from evalkit.models._nas_network import build, forward
from evalkit.models._weights import load_strictly, read_json

if TYPE_CHECKING:
    import torch

CLASSES = ("UNetNAS", "FlexibleUNet2DConditionModel")
"""As evalkit saves it, and as the published file names it."""
OPTIONAL_KEYS = ("in_channels", "out_channels", "norm_num_groups", "mid_first_resnet_twice")


def __getattr__(name: str) -> Any:
    if name == "UNetNAS":
        return unet_nas_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_unet_nas(folder: Path, *, dtype: torch.dtype | None = None, device: str = "cpu") -> Any:
    """The U-Net-NAS of `folder` (config.json, one or several safetensors files), ready for inference.

    Weights are read tensor by tensor into a network without memory of its own, so the peak stays near the size of the
    result. `dtype` None keeps the file's. Only the key `configurations` and, where present, OPTIONAL_KEYS are read:
    the other keys of the published file describe a default U-Net that is not built.

    Raises:
        ModelError: a file is missing, damaged or pickled, or keys or shapes differ (the message lists them).
    """
    import torch

    config = read_json(folder / "config.json")
    if "configurations" not in config:
        raise ModelError("no key 'configurations': not a U-Net-NAS", where=str(folder / "config.json"))
    if (name := config.get("_class_name", CLASSES[0])) not in CLASSES:
        hint = f"known: {', '.join(CLASSES)}"
        raise ModelError(
            f"the network's class is {name}, not a U-Net-NAS", where=str(folder / "config.json"), hint=hint
        )
    options = {key: config[key] for key in OPTIONAL_KEYS if key in config}
    with torch.device("meta"):
        net = unet_nas_class()(configurations=config["configurations"], **options)
    load_strictly(net, folder, dtype=dtype, device=device)
    return net.eval()


@lru_cache(maxsize=1)
def unet_nas_class() -> Any:
    """The class UNetNAS. It is made on first use, since its parents live in diffusers."""
    from diffusers import ConfigMixin, ModelMixin
    from diffusers.configuration_utils import register_to_config

    class UNetNAS(ModelMixin, ConfigMixin):  # type: ignore[misc]
        """A U-Net-NAS with random weights.

        Args:
            configurations: see `_nas_layout.Configurations`.
            in_channels, out_channels: channels of the latents.
            norm_num_groups: groups of every GroupNorm; each width must be a multiple of it.
            mid_first_resnet_twice: run the middle's first residual twice, as the published code does.

        Raises:
            ModelError: the configuration does not close, or widths do not divide.
        """

        @register_to_config  # type: ignore[untyped-decorator]
        def __init__(
            self,
            configurations: dict[str, Any],
            in_channels: int = 4,
            out_channels: int = 4,
            norm_num_groups: int = 32,
            mid_first_resnet_twice: bool = True,
        ) -> None:
            super().__init__()
            build(self, configurations, in_channels, out_channels, norm_num_groups)

        def forward(
            self,
            sample: torch.Tensor,
            timestep: torch.Tensor | float | int,
            encoder_hidden_states: torch.Tensor,
            timestep_cond: None = None,
            cross_attention_kwargs: dict[str, Any] | None = None,
            added_cond_kwargs: None = None,
            return_dict: bool = True,
        ) -> Any:
            """The network's answer (noise or velocity) for noisy latents.

            Args:
                sample: noisy latents (batch, in_channels, height, width).
                timestep: one step for all, or one for each of the batch.
                encoder_hidden_states: text states (batch, tokens, cross_attention_dim).
                timestep_cond, added_cond_kwargs: must be None; there because stock pipelines pass them.
                return_dict: False gives a tuple of one tensor.

            Returns:
                UNet2DConditionOutput with `sample` (batch, out_channels, height, width).

            Raises:
                ModelError: the sides are no multiple of the network's, or a condition is passed that it does not have.
            """
            from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

            if timestep_cond is not None or added_cond_kwargs is not None:
                raise ModelError("a U-Net-NAS takes no timestep_cond and no added_cond_kwargs")
            answer = forward(self, sample, timestep, encoder_hidden_states, cross_attention_kwargs)
            return UNet2DConditionOutput(sample=answer) if return_dict else (answer,)

    UNetNAS.__qualname__ = "UNetNAS"  # so that it can be pickled: the module's __getattr__ finds it
    return UNetNAS
