"""The U-Net-NAS of DeciDiffusion 1.0, built from the `configurations` of its `flexible_unet/config.json`.

The network is a diffusers model (ModelMixin, ConfigMixin) with the call of `UNet2DConditionModel`, made of diffusers' own
ResnetBlock2D, Transformer2DModel, Downsample2D and Upsample2D. Where they stand is worked out in `_nas_layout.py`:
unlike a stock U-Net, a level may hold any number of attentions (none at the full resolution), the last level is
halved once more, and skips are taken before the attention. Any dict of that form works: the real one has
814,746,884 parameters in 612 tensors, a test's a few thousand.

    from evalkit.models.unet_nas import UNetNAS, load_unet_nas
    net = UNetNAS(configurations=...)                    # random weights
    net = load_unet_nas(folder, dtype=torch.float16)     # folder: config.json and *.safetensors
    net.save_pretrained(folder)                          # the same layout again
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError
from evalkit.models._nas_layout import Attention, Block, Layout, Residual, layout, read_configurations
from evalkit.models._weights import load_strictly, read_json

if TYPE_CHECKING:
    import torch
    from torch import nn

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

    class UNetNAS(ModelMixin, ConfigMixin):  # type: ignore[misc, no-any-unimported]
        """A U-Net-NAS; see `unet_nas_class` for the arguments and `forward` for the shapes."""

        @register_to_config
        def __init__(
            self,
            configurations: dict[str, Any],
            in_channels: int = 4,
            out_channels: int = 4,
            norm_num_groups: int = 32,
            mid_first_resnet_twice: bool = True,
        ) -> None:
            super().__init__()
            _build(self, configurations, in_channels, out_channels, norm_num_groups)

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
            answer = _forward(self, sample, timestep, encoder_hidden_states, cross_attention_kwargs)
            return UNet2DConditionOutput(sample=answer) if return_dict else (answer,)

    UNetNAS.__qualname__ = "UNetNAS"  # so that it can be pickled: the module's __getattr__ finds it
    return UNetNAS


def _build(net: Any, values: Mapping[str, Any], into: int, out: int, groups: int) -> None:
    """Give `net` its parts, by the names of the published checkpoint, and register what pipelines read."""
    from diffusers.models.embeddings import TimestepEmbedding, Timesteps
    from torch import nn

    config = read_configurations(dict(values))
    plan = layout(config)
    _check_widths(plan, groups, config.num_attention_heads)
    first = plan.first_channels
    net.register_to_config(
        sample_size=config.sample_size, cross_attention_dim=config.cross_attention_dim, time_cond_proj_dim=None
    )
    net.latent_multiple = plan.latent_multiple
    net.conv_in = nn.Conv2d(into, first, 3, padding=1)
    net.time_proj = Timesteps(first, flip_sin_to_cos=True, downscale_freq_shift=0)
    net.time_embedding = TimestepEmbedding(first, config.temb_dim)
    net.down_blocks = nn.ModuleList(_block(block, config, groups) for block in plan.down)
    net.mid_block = _block(plan.mid, config, groups)
    net.up_blocks = nn.ModuleList(_block(block, config, groups) for block in plan.up)
    net.conv_norm_out = nn.GroupNorm(groups, first, eps=1e-5)
    net.conv_out = nn.Conv2d(first, out, 3, padding=1)


def _check_widths(plan: Layout, groups: int, heads: int) -> None:
    """Every width must divide into the groups of GroupNorm, and every attention into its heads."""
    layers = [layer for block in (*plan.down, plan.mid, *plan.up) for layer in block.layers]
    widths = {plan.first_channels, *(width for layer in layers for width in _widths(layer))}
    if bad := sorted(width for width in widths if width % groups):
        raise ModelError(f"{bad[0]} channels do not divide into norm_num_groups = {groups}")
    attended = {layer.channels for layer in layers if isinstance(layer, Attention)}
    if bad := sorted(width for width in attended if width % heads):
        raise ModelError(f"{bad[0]} channels do not divide into num_attention_heads = {heads}")


def _widths(layer: Residual | Attention) -> tuple[int, ...]:
    return (layer.channels,) if isinstance(layer, Attention) else (layer.in_channels, layer.out_channels)


def _block(block: Block, config: Any, groups: int) -> nn.ModuleDict:
    """One block as plain containers, named as in the checkpoint: modules_list, downsamplers, upsamplers."""
    from diffusers.models.downsampling import Downsample2D
    from diffusers.models.upsampling import Upsample2D
    from torch import nn

    parts = nn.ModuleDict({"modules_list": nn.ModuleList(_module(layer, config, groups) for layer in block.layers)})
    width = block.channels
    if block.resample == "down":
        parts["downsamplers"] = nn.ModuleList([Downsample2D(width, use_conv=True, padding=1, name="op")])
    if block.resample == "up":
        parts["upsamplers"] = nn.ModuleList([Upsample2D(width, use_conv=True)])
    return parts


def _module(layer: Residual | Attention, config: Any, groups: int) -> nn.Module:
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    if isinstance(layer, Residual):
        return ResnetBlock2D(
            in_channels=layer.in_channels,
            out_channels=layer.out_channels,
            temb_channels=config.temb_dim,
            eps=config.resnet_eps,
            groups=groups,
            non_linearity=config.resnet_act_fn,
        )
    return Transformer2DModel(
        num_attention_heads=config.num_attention_heads,
        attention_head_dim=layer.channels // config.num_attention_heads,
        in_channels=layer.channels,
        cross_attention_dim=config.cross_attention_dim,
        norm_num_groups=groups,
    )


def _forward(net: Any, sample: torch.Tensor, timestep: Any, text: torch.Tensor, attention: Any) -> torch.Tensor:
    """Down, middle, up. Each residual of the way down puts a skip, so does each halving but the last."""
    from torch.nn import functional

    _check_sides(net, sample)
    given = {"time": _time_states(net, sample, timestep), "text": text, "attention": attention}
    hidden = net.conv_in(sample)
    skips = [hidden]
    for number, block in enumerate(net.down_blocks, start=1):
        hidden = _run(block["modules_list"], hidden, **given, put=skips)
        if "downsamplers" in block:
            hidden = block["downsamplers"][0](hidden)
            skips += [hidden] if number < len(net.down_blocks) else []
    middle = list(net.mid_block["modules_list"])
    again = middle[:1] if net.config.mid_first_resnet_twice else []
    hidden = _upsample(net.mid_block, _run([*again, *middle], hidden, **given))
    for block in net.up_blocks:
        hidden = _upsample(block, _run(block["modules_list"], hidden, **given, take=skips))
    return net.conv_out(functional.silu(net.conv_norm_out(hidden)))  # type: ignore[no-any-return]


def _run(
    modules: Iterable[nn.Module],
    hidden: torch.Tensor,
    *,
    time: torch.Tensor,
    text: torch.Tensor,
    attention: dict[str, Any] | None,
    put: list[torch.Tensor] | None = None,
    take: list[torch.Tensor] | None = None,
) -> torch.Tensor:
    """The modules in order. A residual joins a skip from `take` to its input, and adds its output to `put`."""
    import torch
    from diffusers.models.resnet import ResnetBlock2D

    for module in modules:
        if not isinstance(module, ResnetBlock2D):
            hidden = module(hidden, text, cross_attention_kwargs=attention, return_dict=False)[0]
            continue
        hidden = module(hidden if take is None else torch.cat([hidden, take.pop()], dim=1), time)
        if put is not None:
            put.append(hidden)
    return hidden


def _upsample(block: nn.ModuleDict, hidden: torch.Tensor) -> torch.Tensor:
    return block["upsamplers"][0](hidden) if "upsamplers" in block else hidden  # type: ignore[index]


def _time_states(net: Any, sample: torch.Tensor, timestep: Any) -> torch.Tensor:
    """Sinusoids of the step, through the two layers of the time embedding: (batch, temb_dim)."""
    import torch

    steps = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(sample.shape[0])
    return net.time_embedding(net.time_proj(steps).to(sample.dtype))  # type: ignore[no-any-return]


def _check_sides(net: Any, sample: torch.Tensor) -> None:
    """The upsampling doubles and has no target size, so the sides must divide evenly all the way down."""
    height, width = sample.shape[-2:]
    if height % net.latent_multiple or width % net.latent_multiple:
        raise ModelError(
            f"latents of {height} x {width}: the sides must be multiples of {net.latent_multiple}",
            hint=f"for an autoencoder that reduces 8 times: image sides that are multiples of {8 * net.latent_multiple}",
        )
