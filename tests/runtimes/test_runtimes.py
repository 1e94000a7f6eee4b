"""Every runtime gives PyTorch's answer, and a planted fault in one is seen."""

from pathlib import Path

import pytest
import torch

from evalkit.runtimes import get
from evalkit.runtimes._call import Call, first_calls, first_tensor, replaced
from evalkit.runtimes._cell import Cell, operations, prepare
from evalkit.runtimes._fidelity import fidelity, psnr_db
from evalkit.runtimes._rounds import turned
from evalkit.store.images import DrawnImage
from tests.checkpoints import CONFIGURATIONS, WIDTH


@pytest.fixture(scope="module")
def call() -> Call:
    """A small U-Net-NAS and what a guided step calls it with."""
    from evalkit.models.unet_nas import UNetNAS

    torch.manual_seed(0)
    network = UNetNAS(configurations=CONFIGURATIONS, norm_num_groups=4).eval().requires_grad_(False)
    states = torch.randn(2, 7, WIDTH)
    kwargs = {"encoder_hidden_states": states, "cross_attention_kwargs": None, "return_dict": False}
    return Call(network, (torch.randn(2, 4, 8, 8), torch.tensor(500)), kwargs)


@pytest.mark.parametrize("name", ["pytorch", "openvino", "onnxruntime"])
def test_a_runtime_agrees_with_pytorch(name: str, call: Call, tmp_path: Path) -> None:
    if name != "pytorch":
        pytest.importorskip(name, reason=f"{name} is not installed")
    if name == "onnxruntime":
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    forward = get(name).prepare(call, tmp_path)
    for scale in (1.0, -0.5):  # other values than those that it was made from
        args = (call.args[0] * scale, torch.tensor(37))
        with torch.inference_mode():
            expected = call.network(*args, **call.kwargs)[0]
            got = first_tensor(forward(*args, **call.kwargs))
        assert got.shape == expected.shape
        assert torch.allclose(got, expected, atol=2e-4 * float(expected.std()) + 1e-5)


@pytest.mark.slow
def test_the_compiled_network_agrees_with_pytorch(call: Call, tmp_path: Path) -> None:
    forward = get("compile").prepare(call, tmp_path)
    assert torch.allclose(first_tensor(call.repeat(forward)), first_tensor(call.repeat()), atol=1e-4)


def test_a_runtime_that_answers_wrongly_is_seen(call: Call, tmp_path: Path) -> None:
    honest = Cell("nas", "pytorch", 1, lambda *_: [], {"step": [call]}, call.network.forward)
    prepare(honest, tmp_path)
    assert honest.facts["answer_difference"] == 0
    with replaced(call.network, lambda *a, **k: (1.1 * type(call.network).forward(call.network, *a, **k)[0],)):
        wrong = first_tensor(call.repeat())
    assert not torch.allclose(wrong, first_tensor(call.repeat()))  # and the network is itself again


def test_calls_are_kept_as_they_were_made(call: Call) -> None:
    """A sampler that changes its latents in place does not change what is repeated."""
    latents = call.args[0].clone()
    with first_calls({"step": call.network}) as found:
        call.network(latents, call.args[1], **call.kwargs)
        latents.zero_()
    assert torch.equal(found["step"].args[0], call.args[0])


def test_operations_are_those_of_a_convolution_by_hand() -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(block_out_channels=(4,), norm_num_groups=2).eval()
    counted = operations(Call(vae, (torch.zeros(1, 3, 8, 8),), {"return_dict": False}))
    assert counted is not None and counted > 2 * 9 * 3 * 4 * 64  # its first convolution alone


def test_psnr_by_its_formula_and_a_planted_difference() -> None:
    black = torch.zeros(4, 4, 3, dtype=torch.uint8).numpy()
    grey = black + 10
    assert psnr_db([grey], [black]) == pytest.approx(20 * torch.log10(torch.tensor(255 / 10.0)).item())
    assert psnr_db([black], [black]) is None
    drawn = {("a", "pytorch", 1, 2): [DrawnImage(black)], ("a", "openvino", 1, 2): [DrawnImage(grey)]}
    (found,) = fidelity(drawn)
    assert found["psnr_db"] < 30 and not found["identical"] and found["n"] == 1


@pytest.mark.parametrize("things", ["ab", "abc", "abcd"])
def test_every_round_holds_every_cell_and_nobody_goes_first_more_often(things: str) -> None:
    orders = [turned(things, number) for number in range(2 * len(things))]
    assert all(sorted(order) == list(things) for order in orders)
    assert sorted(order[0] for order in orders) == sorted(2 * things)
    for one, other in zip(orders[::2], orders[1::2], strict=True):  # a round and its mirror image
        assert all(one.index(thing) + other.index(thing) == len(things) - 1 for thing in things)
