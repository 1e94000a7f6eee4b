"""What the estimate of memory rests on: tensors alive at once in the full-size networks, counted without computing."""

import weakref

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from evalkit.models._memory import DECODER_NUMBERS_PER_PIXEL, NETWORK_NUMBERS_PER_PIXEL
from evalkit.models.unet_nas import UNetNAS
from tests.full_size import VAE_CONFIG
from tests.models.test_unet_nas import REAL

PIXELS = 512 * 512


class Alive(TorchDispatchMode):
    """Counts the bytes of all storages that operations made and nobody has let go of."""

    def __init__(self):
        super().__init__()
        self.now, self.peak, self.known = 0, 0, set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        made = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and (key := tensor.untyped_storage()._cdata) not in self.known:
                storage = tensor.untyped_storage()
                self.known.add(key)
                self._count(key, storage.nbytes())
                weakref.finalize(storage, self._forget, key, storage.nbytes())
        return made

    def _count(self, key, size):
        self.now += size
        self.peak = max(self.peak, self.now)

    def _forget(self, key, size):
        self.now -= size
        self.known.discard(key)


def numbers_per_pixel(make, call):
    """What a second image adds to the peak, in float32 numbers per pixel."""
    with FakeTensorMode(), torch.no_grad():
        network, peaks = make().eval(), []
        for images in (1, 2):
            with Alive() as alive:
                call(network, images)
            peaks.append(alive.peak)
    return (peaks[1] - peaks[0]) / 4 / PIXELS


def guided_step(network, images):
    network(torch.zeros(2 * images, 4, 64, 64), 500, torch.zeros(2 * images, 77, 768))


@pytest.mark.slow
def test_the_estimate_covers_what_the_full_size_networks_hold():
    nas = numbers_per_pixel(lambda: UNetNAS(configurations=REAL), guided_step)
    stock = numbers_per_pixel(lambda: UNet2DConditionModel(cross_attention_dim=768), guided_step)
    decoder = numbers_per_pixel(
        lambda: AutoencoderKL.from_config(VAE_CONFIG), lambda network, n: network.decode(torch.zeros(n, 4, 64, 64))
    )
    assert (round(nas), round(stock), round(decoder)) == (146, 261, 768)
    assert max(nas, stock) * 1.5 <= NETWORK_NUMBERS_PER_PIXEL * 1.01 and decoder * 1.5 <= DECODER_NUMBERS_PER_PIXEL
