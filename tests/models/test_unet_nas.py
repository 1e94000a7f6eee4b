"""The U-Net-NAS against the published figures, against a stock U-Net, and against its forward written out by hand."""

import pickle
import re
import subprocess
import sys
from collections import Counter

import pytest
import torch
from diffusers import UNet2DConditionModel
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from evalkit.errors import ModelError
from evalkit.models.unet_nas import UNetNAS, load_unet_nas

REAL = {
    "sample_size": 64,
    "temb_dim": 1280,
    "resnet_eps": 1e-5,
    "resnet_act_fn": "silu",
    "num_attention_heads": 8,
    "cross_attention_dim": 768,
    "mix_block_in_forward": True,
    "down_blocks_in_channels": [320, 320, 640],
    "down_blocks_out_channels": [320, 640, 1280],
    "down_blocks_num_resnets": [2, 2, 1],
    "down_blocks_num_attentions": [0, 1, 3],
    "add_downsample": [True, True, True],
    "add_upsample_mid_block": True,
    "mid_num_resnets": 4,
    "mid_num_attentions": 2,
    "prev_output_channels": [1280, 1280, 640],
    "up_blocks_num_resnets": [2, 3, 3],
    "up_blocks_num_attentions": [6, 3, 0],
    "add_upsample": [True, True, False],
}
WIDTHS = ("temb_dim", "down_blocks_in_channels", "down_blocks_out_channels", "prev_output_channels")
TINY = REAL | {key: [w // 40 for w in REAL[key]] for key in WIDTHS[1:]} | {"temb_dim": 16, "sample_size": 8}
TINY |= {"num_attention_heads": 2, "cross_attention_dim": 6}


def tiny(seed=0, configurations=TINY, **options):
    torch.manual_seed(seed)
    return UNetNAS(configurations=configurations, norm_num_groups=options.pop("norm_num_groups", 4), **options).eval()


def inputs(batch=2, channels=4, height=8, width=16, text=6):
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(batch, channels, height, width, generator=generator)
    return sample, torch.tensor([3.0, 700.0][:batch]), torch.randn(batch, 5, text, generator=generator)


# ---------------------------------------------------------------------------------------- published figures


def test_tensors_and_parameters_of_the_published_network_prefix_by_prefix():
    with torch.device("meta"):
        net = UNetNAS(configurations=REAL)
    counts, parameters = Counter(), Counter()
    for key, tensor in net.state_dict().items():
        prefix = re.match(r"(?:down_blocks|up_blocks)\.\d|[a-z_]+", key).group()
        counts[prefix] += 1
        parameters[prefix] += tensor.numel()
    assert {prefix: (counts[prefix], parameters[prefix]) for prefix in counts} == {
        "conv_in": (2, 11_840),
        "time_embedding": (4, 2_050_560),
        "down_blocks.0": (22, 5_432_000),
        "down_blocks.1": (50, 27_630_080),
        "down_blocks.2": (92, 143_614_720),
        "mid_block": (104, 239_961_600),
        "up_blocks.0": (182, 313_448_960),
        "up_blocks.1": (116, 71_413_120),
        "up_blocks.2": (36, 11_171_840),
        "conv_norm_out": (2, 640),
        "conv_out": (2, 11_524),
    }
    assert sum(counts.values()) == 612
    assert sum(parameters.values()) == 814_746_884


def test_order_of_modules_and_shapes_of_the_published_network():
    with torch.device("meta"):
        net = UNetNAS(configurations=REAL)
        answer = net(torch.zeros(2, 4, 64, 64), 999, torch.zeros(2, 77, 768))
    orders = [_order(block) for block in (*net.down_blocks, net.mid_block, *net.up_blocks)]
    assert orders == ["RR", "RAR", "RAAA", "RARARRR", "RARAAAAA", "RARARA", "RRR"]
    assert answer.sample.shape == (2, 4, 64, 64)
    shapes = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
    assert shapes["up_blocks.0.modules_list.0.conv1.weight"] == (1280, 2560, 3, 3)
    assert shapes["up_blocks.0.modules_list.2.conv1.weight"] == (1280, 1920, 3, 3)
    assert [shapes[f"up_blocks.1.modules_list.{i}.conv1.weight"][1] for i in (0, 2, 4)] == [1920, 1280, 960]
    assert [shapes[f"up_blocks.2.modules_list.{i}.conv1.weight"][1] for i in (0, 1, 2)] == [960, 640, 640]
    assert shapes["up_blocks.0.modules_list.1.transformer_blocks.0.attn2.to_k.weight"] == (1280, 768)


def _order(block):
    return "".join("R" if hasattr(module, "conv1") else "A" for module in block["modules_list"])


# ---------------------------------------------------------------------------------------- two independent proofs


def test_equals_a_stock_network_where_both_can_express_it():
    """No attention on the way down, one residual and attention in the middle, nothing halved or doubled at the ends."""
    torch.manual_seed(0)
    stock = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=2,
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=6,
    ).eval()
    configurations = TINY | {
        "temb_dim": 32,
        "down_blocks_in_channels": [8, 8],
        "down_blocks_out_channels": [8, 16],
        "down_blocks_num_resnets": [2, 2],
        "down_blocks_num_attentions": [0, 0],
        "add_downsample": [True, False],
        "add_upsample_mid_block": False,
        "mid_num_resnets": 1,
        "mid_num_attentions": 1,
        "prev_output_channels": [16, 16],
        "up_blocks_num_resnets": [3, 3],
        "up_blocks_num_attentions": [3, 3],
        "add_upsample": [True, False],
    }
    net = tiny(configurations=configurations, mid_first_resnet_twice=False)
    net.load_state_dict({key: stock.state_dict()[_stock_name(net, key)] for key in net.state_dict()}, strict=True)
    with torch.no_grad():
        expected, answer = stock(*inputs()).sample, net(*inputs()).sample
        assert (answer - expected).abs().max() < 1e-5
        net.register_to_config(mid_first_resnet_twice=True)
        assert (net(*inputs()).sample - expected).abs().max() > 1e-3  # the switch does something


def _stock_name(net, key):
    found = re.match(r"(.*)\.modules_list\.(\d+)\.(.*)", key)
    if not found:
        return key
    block, index, rest = found[1], int(found[2]), found[3]
    order = _order(net.get_submodule(block))
    return f"{block}.{'resnets' if order[index] == 'R' else 'attentions'}.{order[:index].count(order[index])}.{rest}"


def test_equals_the_published_forward_written_out_by_hand():
    """The tables of the published network, line by line, on the same form with 1/40 of the width."""
    net = tiny()
    sample, steps, text = inputs()

    def block(parts, hidden, order, skips_out=None, skips_in=None):
        for index in order:
            module = parts["modules_list"][index]
            if hasattr(module, "conv1"):
                hidden = torch.cat([hidden, skips_in.pop()], 1) if skips_in is not None else hidden
                hidden = module(hidden, time)
                if skips_out is not None:
                    skips_out.append(hidden)
            else:
                hidden = module(hidden, encoder_hidden_states=text).sample
        return hidden

    with torch.no_grad():
        time = net.time_embedding(net.time_proj(steps))
        hidden = net.conv_in(sample)
        skips = [hidden]
        hidden = net.down_blocks[0]["downsamplers"][0](block(net.down_blocks[0], hidden, [0, 1], skips))
        skips.append(hidden)
        hidden = net.down_blocks[1]["downsamplers"][0](block(net.down_blocks[1], hidden, [0, 1, 2], skips))
        skips.append(hidden)
        hidden = net.down_blocks[2]["downsamplers"][0](block(net.down_blocks[2], hidden, [0, 1, 2, 3], skips))
        assert [tuple(skip.shape[1:3]) for skip in skips] == [
            (8, 8), (8, 8), (8, 8), (8, 4), (16, 4), (16, 4), (16, 2), (32, 2),
        ]  # fmt: skip
        hidden = net.mid_block["upsamplers"][0](block(net.mid_block, hidden, [0, 0, 1, 2, 3, 4, 5, 6]))
        hidden = net.up_blocks[0]["upsamplers"][0](block(net.up_blocks[0], hidden, range(8), None, skips))
        hidden = net.up_blocks[1]["upsamplers"][0](block(net.up_blocks[1], hidden, range(6), None, skips))
        hidden = block(net.up_blocks[2], hidden, range(3), None, skips)
        assert not skips
        expected = net.conv_out(torch.nn.functional.silu(net.conv_norm_out(hidden)))
        assert torch.equal(net(sample, steps, text).sample, expected)


# ---------------------------------------------------------------------------------------- properties


@st.composite
def configurations(draw):
    levels = draw(st.integers(1, 3))

    def numbers(low, high):
        return draw(st.lists(st.integers(low, high), min_size=levels, max_size=levels))

    widths, resnets = [4 * n for n in numbers(1, 3)], numbers(1, 2)
    last_is_halved = draw(st.booleans())
    return TINY | {
        "mix_block_in_forward": draw(st.booleans()),
        "down_blocks_in_channels": [widths[0], *widths[:-1]],
        "down_blocks_out_channels": widths,
        "down_blocks_num_resnets": resnets,
        "down_blocks_num_attentions": numbers(0, 2),
        "add_downsample": [True] * (levels - 1) + [last_is_halved],
        "add_upsample_mid_block": last_is_halved,
        "mid_num_resnets": draw(st.integers(0, 2)),
        "mid_num_attentions": draw(st.integers(0, 2)),
        "prev_output_channels": [widths[-1], *reversed(widths[1:])],
        "up_blocks_num_resnets": [n + 1 for n in reversed(resnets)],
        "up_blocks_num_attentions": numbers(0, 3),
        "add_upsample": [True] * (levels - 1) + [False],
    }


@settings(max_examples=12, deadline=None)
@given(config=configurations(), channels=st.integers(1, 5))
def test_any_closed_configuration_keeps_the_shape_and_reaches_every_parameter(config, channels):
    net = tiny(configurations=config, in_channels=channels, out_channels=channels)
    sample, steps, text = inputs(channels=channels)
    answer = net(sample, steps, text).sample
    assert answer.shape == sample.shape
    answer.square().sum().backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


@settings(max_examples=6, deadline=None)
@given(config=configurations())
def test_an_image_does_not_depend_on_its_batch(config):
    net = tiny(configurations=config)
    sample, steps, text = inputs()
    with torch.no_grad():
        together = net(sample, steps, text).sample
        alone = net(sample[1:], steps[1:], text[1:]).sample
    assert torch.allclose(together[1:], alone, atol=1e-5)


def test_one_step_for_all_equals_a_step_for_each():
    net, (sample, _, text) = tiny(), inputs()
    with torch.no_grad():
        each = net(sample, torch.tensor([7, 7]), text).sample
        for step in (7, torch.tensor(7), torch.tensor([7])):
            assert torch.equal(net(sample, step, text, return_dict=False)[0], each)


# ---------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"down_blocks_num_resnets": [2, 2]}, "2 entries for 3 levels"),
        ({"up_blocks_num_resnets": [2, 3, 2]}, "1 skips left over"),
        ({"up_blocks_num_resnets": [3, 3, 3]}, "up block 0, residual 2: no skip"),
        ({"add_upsample_mid_block": False}, "no skip of its resolution"),
        ({"prev_output_channels": [32, 32, 32]}, "up block 2 takes 32 channels, but is given 16"),
        ({"down_blocks_in_channels": [8, 16, 16]}, "down block 1 takes 16 channels, but is given 8"),
        ({"num_attention_heads": 3}, "num_attention_heads"),
        ({"temb_dim": 0}, "temb_dim"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_configuration_that_does_not_close_is_refused(change, message):
    with pytest.raises(ModelError, match=re.escape(message)):
        tiny(configurations=TINY | change)


def test_widths_must_divide_into_groups():
    with pytest.raises(ModelError, match="norm_num_groups = 32"):
        tiny(norm_num_groups=32)


@pytest.mark.parametrize(("height", "width"), [(12, 8), (8, 4)])
def test_sides_must_be_multiples_of_eight_latents(height, width):
    sample, steps, text = inputs(height=height, width=width)
    with pytest.raises(ModelError, match=r"multiples of 8 .*multiples of 64"):
        tiny()(sample, steps, text)


def test_conditions_that_it_does_not_have_are_refused():
    sample, steps, text = inputs()
    with pytest.raises(ModelError, match="timestep_cond"):
        tiny()(sample, steps, text, timestep_cond=torch.zeros(2, 3))


# ---------------------------------------------------------------------------------------- files


def test_round_trip_is_equal_to_the_bit(tmp_path):
    net = tiny(in_channels=8, out_channels=8)
    net.save_pretrained(tmp_path / "first")
    again = load_unet_nas(tmp_path / "first")
    again.save_pretrained(tmp_path / "second")
    first, second = (load_file(tmp_path / name / "diffusion_pytorch_model.safetensors") for name in ("first", "second"))
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert (tmp_path / "first/config.json").read_bytes() == (tmp_path / "second/config.json").read_bytes()
    assert not again.training
    assert torch.equal(again(*inputs(channels=8)).sample, net(*inputs(channels=8)).sample)


def test_shards_and_half_precision(tmp_path):
    net = tiny()
    net.half().save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    kept, wide = load_unet_nas(tmp_path), load_unet_nas(tmp_path, dtype=torch.float32)
    assert kept.dtype == torch.float16
    assert wide.dtype == torch.float32
    assert all(torch.equal(a, b.half()) for a, b in zip(net.parameters(), wide.parameters(), strict=True))


def test_keys_of_the_default_parent_are_ignored(tmp_path):
    """The published file also lists a default U-Net: attention_head_dim, block_out_channels ... are not built."""
    import json

    net = tiny()
    net.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"_class_name": "FlexibleUNet2DConditionModel", "block_out_channels": [320, 640, 1280, 1280]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert torch.equal(load_unet_nas(tmp_path)(*inputs()).sample, net(*inputs()).sample)


def test_differences_are_listed(tmp_path):
    tiny().save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    del tensors["conv_in.bias"]
    tensors["conv_out.weight"] = torch.zeros(4, 8, 1, 1)
    tensors["stranger"] = torch.zeros(1)
    save_file(tensors, file)
    with pytest.raises(ModelError) as caught:
        load_unet_nas(tmp_path)
    assert "1 of 612 tensors missing (conv_in.bias)" in str(caught.value)
    assert "1 tensors not in the network (stranger)" in str(caught.value)
    assert "conv_out.weight: file [4, 8, 1, 1], network [4, 8, 3, 3]" in str(caught.value)


def test_damaged_pickled_and_missing_files(tmp_path):
    net = tiny()
    net.save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="damaged"):
        load_unet_nas(tmp_path)
    file.rename(tmp_path / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        load_unet_nas(tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DConditionModel"}')
    with pytest.raises(ModelError, match="no key 'configurations'"):
        load_unet_nas(tmp_path)


def test_a_network_of_another_class_is_refused_though_its_keys_fit(tmp_path):
    tiny().save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace("UNetNAS", "UNet2DConditionModel"))
    with pytest.raises(ModelError, match="class is UNet2DConditionModel, not a U-Net-NAS"):
        load_unet_nas(tmp_path)


def test_numbers_that_are_none_of_a_network_are_refused(tmp_path):
    tiny().save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["conv_in.weight"] = tensors["conv_in.weight"].to(torch.int8)
    save_file(tensors, file)
    with pytest.raises(ModelError, match=r"conv_in\.weight holds torch\.int8"):
        load_unet_nas(tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "gone", "key missing", "twice"])
def test_a_damaged_shard_leaves_nothing_half_loaded(tmp_path, damage):
    """The network that was to be filled is not touched: all heads are read before the first tensor."""
    from evalkit.models._weights import load_strictly

    tiny(seed=1).save_pretrained(tmp_path, max_shard_size="20KB")
    shard = sorted(tmp_path.glob("*.safetensors"))[-1]
    tensors = load_file(shard)
    if damage == "truncated":
        shard.write_bytes(shard.read_bytes()[:-100])
    elif damage == "gone":
        shard.unlink()
    elif damage == "key missing":
        tensors.pop(next(iter(tensors)))
        save_file(tensors, shard)
    else:
        save_file(tensors | {"conv_in.bias": torch.zeros(8)}, shard)
    net = tiny()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    with pytest.raises(ModelError, match=r"damaged|not in the folder|1 of 612 tensors missing|in two files"):
        load_strictly(net, tmp_path)
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@settings(max_examples=12, deadline=None)
@given(
    config=configurations(),
    stored=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
    wanted=st.sampled_from([None, torch.float16, torch.bfloat16, torch.float32]),
    shard=st.sampled_from(["60KB", "10GB"]),
)
def test_any_network_comes_back_in_any_format(config, stored, wanted, shard):
    """Sharded or not, stored in one format and wanted in another: each number is the stored one, converted once. Saved
    again, the files hold the same tensors under the same names."""
    import tempfile
    from pathlib import Path

    from tests.count_checkpoint import count

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        net = tiny(configurations=config).to(stored)
        net.save_pretrained(folder / "first", max_shard_size=shard)
        again = load_unet_nas(folder / "first", dtype=wanted)
        before, after = net.state_dict(), again.state_dict()
        assert {key: tensor.dtype for key, tensor in after.items()} == dict.fromkeys(before, wanted or stored)
        for key, tensor in before.items():
            assert torch.equal(after[key], tensor.to(wanted or stored)), key
        again.save_pretrained(folder / "second", max_shard_size=shard)
        counts = [count(*(folder / name).glob("*.safetensors")) for name in ("first", "second")]
        assert counts[0]["prefixes"] == counts[1]["prefixes"] and counts[0]["modules"] == counts[1]["modules"]
        assert counts[0]["parameters"] == sum(p.numel() for p in net.parameters())


def test_an_index_cannot_leave_its_folder(tmp_path):
    tiny().save_pretrained(tmp_path / "a")
    (tmp_path / "a/diffusion_pytorch_model.safetensors").rename(tmp_path / "outside.safetensors")
    index = tmp_path / "a/diffusion_pytorch_model.safetensors.index.json"
    index.write_text('{"weight_map": {"conv_in.weight": "../outside.safetensors"}}')
    with pytest.raises(ModelError, match="not in the folder"):
        load_unet_nas(tmp_path / "a")


def test_pickles():
    net = tiny()
    assert torch.equal(pickle.loads(pickle.dumps(net)).conv_in.weight, net.conv_in.weight)  # noqa: S301


@pytest.mark.slow
def test_compiles_as_one_graph():
    net = tiny()
    with torch.no_grad():
        compiled = torch.compile(net, fullgraph=True, backend="eager")(*inputs()).sample
        assert torch.equal(compiled, net(*inputs()).sample)


def test_loading_needs_little_more_memory_than_the_network(tmp_path):
    """Peak memory over that before loading, against the size of the tensors; half precision read as float32."""
    widths = {key: [w // 5 for w in REAL[key]] for key in WIDTHS[1:]} | {"temb_dim": 256}
    with torch.device("meta"):
        net = UNetNAS(configurations=REAL | widths)
    net.to_empty(device="cpu").half().save_pretrained(tmp_path)
    code = f"""
import pathlib, resource, torch
from evalkit.models import unet_nas
from safetensors.torch import safe_open
unet_nas.unet_nas_class()
import diffusers.models.resnet, diffusers.models.upsampling, diffusers.models.transformers.transformer_2d
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
net = unet_nas.load_unet_nas(pathlib.Path({str(tmp_path)!r}), dtype=torch.float32)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(peak * 1024 / sum(p.numel() * 4 for p in net.parameters()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.3
