"""ImageReward: which of two images of one prompt people would prefer, by a BLIP that sees both together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.errors import ModelError
from evalkit.extractors import Rows
from evalkit.extractors._blip import TextAndPicture, from_blip
from evalkit.extractors._network import find_device
from evalkit.extractors._pictures import read_rgb
from evalkit.extractors._pretrained import pretrained
from evalkit.extractors._tensors import read_tensors
from evalkit.extractors.clip import filled
from evalkit.metrics._metric import PROMPT_CUT, ImageScores, MetricInfo, Picture, Workplace
from evalkit.metrics._networks import Network, find_base, find_network, joint_label
from evalkit.metrics._pairs import ScorePairs, in_batches, of_both, pair_scores

CARD, WEIGHTS, LAYERS = "image-reward", "ImageReward.pt", (0, 2, 4, 6, 7)
CONTEXT, BATCH = 35, 8
MEAN, DEVIATION = 0.16717362830052426, 1.0333394966054072
"""Of the rewards in its training set, taken off by its public code."""
PIXEL_MEAN, PIXEL_DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
info = MetricInfo(
    level="image",
    extractor="",
    direction="higher",
    unit="standard deviations of rewards",
    range=(None, None),
    citation="Xu, Liu, Wu, Tong, Li, Ding, Tang, Dong 2023, ImageReward, arXiv 2304.05977",
    version=1,
    reads="Higher would be preferred; zero is the mean of its training set. It sees 35 tokens of a prompt.",
    network=CARD,
)


@dataclass(frozen=True)
class _Loaded:
    blip: TextAndPicture
    head: Sequence[tuple[Any, Any]]
    words: Any
    device: str


def identity(workplace: Workplace) -> str:
    """Weights, tokenizer and preprocessing."""
    network = find_network(CARD, workplace)
    return f"{joint_label(network, find_base(network, workplace))}|pil-bicubic-u8"


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """Reward of each picture for its prompt."""
    network = find_network(CARD, workplace)
    words = _tokenizer(find_base(network, workplace))
    values = pair_scores(pictures, identity(workplace), lambda: _load(network, words, workplace), workplace, of_both)
    lengths = {text: len(words(text, verbose=False)["input_ids"]) for text in {one.prompt for one in pictures}}
    return ImageScores(values, [_reason(lengths[picture.prompt] - CONTEXT) for picture in pictures])


def _load(network: Network, words: Any, workplace: Workplace) -> ScorePairs:
    device, file = find_device(workplace.settings), network.file(WEIGHTS)
    tensors = read_tensors(file)
    try:
        names = [[f"mlp.layers.{layer}.{part}" for part in ("weight", "bias")] for layer in LAYERS]
        head = [(tensors[weight].float().to(device), tensors[bias].float().to(device)) for weight, bias in names]
    except KeyError as error:
        raise ModelError(f"the head lacks {error}", where=str(file), hint="fetch it again") from error
    loaded = _Loaded(from_blip(tensors, str(file)).to(device), head, words, device)

    def run(pictures: Sequence[Picture]) -> Iterator[Rows]:
        for batch in in_batches(pictures, BATCH):
            yield _rewards(batch, loaded)

    return run


def _rewards(batch: Sequence[Picture], loaded: _Loaded) -> Rows:
    import torch

    pixels = torch.from_numpy(np.stack([_pixels(picture, loaded.blip.side) for picture in batch])).to(loaded.device)
    options = {"padding": True, "truncation": True, "max_length": CONTEXT, "return_tensors": "pt"}
    fed = loaded.words([picture.prompt for picture in batch], **options).to(loaded.device)
    with torch.inference_mode():
        rows = loaded.blip(pixels, fed["input_ids"], fed["attention_mask"])
        for weight, bias in loaded.head:
            rows = torch.nn.functional.linear(rows, weight, bias)
    return np.asarray((rows.cpu().numpy() - MEAN) / DEVIATION, dtype=np.float32)


def _pixels(picture: Picture, side: int) -> Rows:
    image = np.asarray(filled(read_rgb(picture.path), side, side), dtype=np.float32).transpose(2, 0, 1) / 255
    mean, deviation = (np.array(told, np.float32)[:, None, None] for told in (PIXEL_MEAN, PIXEL_DEVIATION))
    return np.asarray((image - mean) / deviation, dtype=np.float32)


def _tokenizer(base: Network) -> Any:
    return pretrained("BertTokenizer", base.source, base.revision)


def _reason(excess: int) -> str:
    return f"{PROMPT_CUT}: ImageReward did not see its last {excess} tokens" if excess > 0 else ""
