"""VQAScore: the probability that a model which answers questions says "yes" to "does this figure show the prompt?"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from evalkit.extractors import Rows
from evalkit.extractors._network import find_device
from evalkit.extractors._pictures import read_rgb
from evalkit.extractors._pretrained import pretrained
from evalkit.metrics._metric import ImageScores, MetricInfo, Picture, Workplace
from evalkit.metrics._networks import Network, find_network
from evalkit.metrics._pairs import ScorePairs, in_batches, of_both, pair_scores

CARD, BATCH = "instructblip-flan-t5-xl", 4
QUESTION, ANSWER = 'Question: Does this figure show "{}"? Please answer yes or no.', "yes"
info = MetricInfo(
    level="image",
    extractor="",
    direction="higher",
    unit="probability",
    range=(0, 1),
    citation="Lin, Pathak, Li, Li, Xia, Neubig, Zhang, Ramanan 2024, VQAScore, arXiv 2404.01291",
    version=1,
    reads="Higher fits the prompt better; values of another answering model, question or answer do not compare.",
    network=CARD,
)


def identity(workplace: Workplace) -> str:
    """Weights, question and answer."""
    return f"{find_network(CARD, workplace).label}|does-this-figure-show|{ANSWER}-and-end|{_dtype(workplace)}"


def score(pictures: Sequence[Picture], workplace: Workplace) -> ImageScores:
    """exp of the mean log-probability of the answer's tokens, its end included, as in the authors' public code."""
    network = find_network(CARD, workplace)
    values = pair_scores(pictures, identity(workplace), lambda: _load(network, workplace), workplace, of_both)
    return ImageScores(values, [""] * len(pictures))


def _load(network: Network, workplace: Workplace) -> ScorePairs:
    device, where = find_device(workplace.settings), (network.source, network.revision)
    options: dict[str, Any] = {"dtype": _dtype(workplace), "use_safetensors": True}
    answering = pretrained("InstructBlipForConditionalGeneration", *where, **options).eval().to(device)
    processor = pretrained("InstructBlipProcessor", *where)

    def run(pictures: Sequence[Picture]) -> Iterator[Rows]:
        for batch in in_batches(pictures, BATCH):
            yield _probabilities(batch, answering, processor, device)

    return run


def _probabilities(batch: Sequence[Picture], answering: Any, processor: Any, device: str) -> Rows:
    import torch

    questions = [QUESTION.format(picture.prompt) for picture in batch]
    images = [read_rgb(picture.path) for picture in batch]
    fed = processor(images=images, text=questions, padding=True, return_tensors="pt").to(device)
    fed["pixel_values"] = fed["pixel_values"].to(answering.dtype)
    answers = processor.tokenizer([ANSWER] * len(batch), return_tensors="pt")["input_ids"].to(device)
    with torch.inference_mode():
        logits = answering(**fed, labels=answers).logits.float()
    chosen = logits.log_softmax(dim=-1).gather(2, answers[..., None])
    return np.asarray(chosen.mean(dim=1).exp().cpu().numpy(), dtype=np.float32)


def _dtype(workplace: Workplace) -> str:
    """Half of the memory on an accelerator; 32 bits on a processor."""
    return "float32" if find_device(workplace.settings) == "cpu" else "bfloat16"
