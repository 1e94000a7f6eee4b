"""A U-Net-NAS as modules: building the plan of `_nas_layout.py` out of diffusers' parts, and running it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from evalkit.errors import ModelError
from evalkit.models._nas_layout import Attention, Block, Layout, Residual, layout, read_configurations

if TYPE_CHECKING:
    import torch
    from torch import nn


def build(net: Any, values: Mapping[str, Any], into: int, out: int, groups: int) -> None:
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


def forward(net: Any, sample: torch.Tensor, timestep: Any, text: torch.Tensor, attention: Any) -> torch.Tensor:
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
    return net.conv_out(functional.silu(net.conv_norm_out(hidden)))


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
    return block["upsamplers"][0](hidden) if "upsamplers" in block else hidden


def _time_states(net: Any, sample: torch.Tensor, timestep: Any) -> torch.Tensor:
    """Sinusoids of the step, through the two layers of the time embedding: (batch, temb_dim)."""
    import torch

    steps = torch.as_tensor(timestep, device=sample.device).reshape(-1).expand(sample.shape[0])
    return net.time_embedding(net.time_proj(steps).to(sample.dtype))


def _check_sides(net: Any, sample: torch.Tensor) -> None:
    """The upsampling doubles and has no target size, so the sides must divide evenly all the way down."""
    height, width = sample.shape[-2:]
    if height % net.latent_multiple or width % net.latent_multiple:
        raise ModelError(
            f"latents of {height} x {width}: the sides must be multiples of {net.latent_multiple}",
            hint=f"for an autoencoder that reduces 8 times: image sides of multiples of {8 * net.latent_multiple}",
        )
