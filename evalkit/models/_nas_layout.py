"""The plan of a U-Net-NAS: which residual and attention modules stand where, worked out from `configurations` alone.

Nothing here needs torch. The plan follows every tensor that is put on and taken off the skip stack, so a configuration
that does not close (channels, resolution or number of skips) is refused before a network is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from evalkit.errors import ModelError


class Configurations(BaseModel):
    """The key `configurations` of `flexible_unet/config.json`, by the names that the DeciDiffusion 1.0 file gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_size: PositiveInt
    temb_dim: PositiveInt
    resnet_eps: float
    resnet_act_fn: str
    num_attention_heads: PositiveInt
    cross_attention_dim: PositiveInt
    mix_block_in_forward: bool
    down_blocks_in_channels: tuple[PositiveInt, ...]
    down_blocks_out_channels: tuple[PositiveInt, ...]
    down_blocks_num_resnets: tuple[PositiveInt, ...]
    down_blocks_num_attentions: tuple[int, ...]
    add_downsample: tuple[bool, ...]
    add_upsample_mid_block: bool
    mid_num_resnets: int
    mid_num_attentions: int
    prev_output_channels: tuple[PositiveInt, ...]
    up_blocks_num_resnets: tuple[PositiveInt, ...]
    up_blocks_num_attentions: tuple[int, ...]
    add_upsample: tuple[bool, ...]


@dataclass(frozen=True)
class Residual:
    """A ResnetBlock2D; `skip_channels` of its input come from the skip stack (0: it takes none)."""

    in_channels: int
    out_channels: int
    skip_channels: int = 0


@dataclass(frozen=True)
class Attention:
    """A Transformer2DModel of depth 1."""

    channels: int


Layer = Residual | Attention


@dataclass(frozen=True)
class Block:
    """Modules in the order of execution, then the change of resolution, if any."""

    layers: tuple[Layer, ...]
    resample: Literal["down", "up"] | None
    channels: int


@dataclass(frozen=True)
class Skip:
    """One tensor on the skip stack: its channels, and how often it was halved."""

    channels: int
    level: int


@dataclass(frozen=True)
class Layout:
    """The whole network; `latent_multiple`: a latent's sides must be multiples of this."""

    first_channels: int
    down: tuple[Block, ...]
    mid: Block
    up: tuple[Block, ...]
    latent_multiple: int


def read_configurations(values: dict[str, Any]) -> Configurations:
    """Check the mapping and its lists' lengths; ModelError says which key is wrong."""
    try:
        read = Configurations(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"U-Net-NAS configurations, key {key!r}: {first['msg']}") from error
    for key, value in read:
        if isinstance(value, tuple) and len(value) != len(read.down_blocks_out_channels):
            levels = len(read.down_blocks_out_channels)
            raise ModelError(f"U-Net-NAS configurations, key {key!r}: {len(value)} entries for {levels} levels")
    return read


def layout(config: Configurations) -> Layout:
    """The plan of the network; ModelError if skips and blocks do not fit each other."""
    first, levels = config.down_blocks_in_channels[0], len(config.down_blocks_out_channels)
    skips, down = [Skip(first, 0)], []
    for index in range(levels):
        down.append(_down_block(config, index, skips))
    halvings = sum(config.add_downsample)
    level = halvings - config.add_upsample_mid_block
    channels, up = config.down_blocks_out_channels[-1], []
    for index in range(levels):
        up.append(_up_block(config, index, skips, Skip(channels, level)))
        channels, level = up[-1].channels, level - config.add_upsample[index]
    if skips or level:
        raise ModelError(f"U-Net-NAS does not close: {len(skips)} skips left over, {level} doublings missing")
    return Layout(first, tuple(down), _mid_block(config), tuple(up), 2**halvings)


def _down_block(config: Configurations, index: int, skips: list[Skip]) -> Block:
    """A block of the way down. Each residual is a skip, before the attention after it; so is all but the last tail."""
    into, out = config.down_blocks_in_channels[index], config.down_blocks_out_channels[index]
    if into != (before := skips[-1].channels):
        raise ModelError(f"U-Net-NAS down block {index} takes {into} channels, but is given {before}")
    level, count = sum(config.add_downsample[:index]), config.down_blocks_num_resnets[index]
    residuals = [Residual(into if number == 0 else out, out) for number in range(count)]
    skips.extend([Skip(out, level)] * count)
    tail = config.add_downsample[index]
    if tail and index < len(config.add_downsample) - 1:
        skips.append(Skip(out, level + 1))
    layers = _in_order(config, residuals, [Attention(out)] * config.down_blocks_num_attentions[index])
    return Block(layers, "down" if tail else None, out)


def _mid_block(config: Configurations) -> Block:
    """A leading residual, then attention and residual in turn; whatever is left over of either follows."""
    width = config.down_blocks_out_channels[-1]
    residual, attention = Residual(width, width), Attention(width)
    rest = _in_order(config, [residual] * config.mid_num_resnets, [attention] * config.mid_num_attentions, False)
    return Block((residual, *rest), "up" if config.add_upsample_mid_block else None, width)


def _up_block(config: Configurations, index: int, skips: list[Skip], given: Skip) -> Block:
    """A block of the way up: each residual takes one skip, whose channels are joined to its input."""
    into, out = config.prev_output_channels[index], config.down_blocks_out_channels[-1 - index]
    if into != given.channels:
        raise ModelError(f"U-Net-NAS up block {index} takes {into} channels, but is given {given.channels}")
    residuals = []
    for number in range(config.up_blocks_num_resnets[index]):
        if not skips or skips[-1].level != given.level:
            raise ModelError(f"U-Net-NAS up block {index}, residual {number}: no skip of its resolution is left")
        skip = skips.pop().channels
        residuals.append(Residual((into if number == 0 else out) + skip, out, skip))
    layers = _in_order(config, residuals, [Attention(out)] * config.up_blocks_num_attentions[index])
    return Block(layers, "up" if config.add_upsample[index] else None, out)


def _in_order(
    config: Configurations, residuals: list[Residual], attentions: list[Attention], residual_first: bool = True
) -> tuple[Layer, ...]:
    """Mixed: in turn, leftovers at the end. Not mixed: all residuals, then all attentions."""
    if not config.mix_block_in_forward:
        return (*residuals, *attentions)
    pairs = zip_longest(residuals, attentions) if residual_first else zip_longest(attentions, residuals)
    return tuple(layer for pair in pairs for layer in pair if layer is not None)
