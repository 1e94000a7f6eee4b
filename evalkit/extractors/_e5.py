"""Multilingual E5: texts of a hundred languages in one space (Wang et al. 2024, arXiv 2402.05672).

"passage: " before each text, the mean over its tokens' last states, length 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evalkit.extractors import Rows
from evalkit.extractors._network import find_device
from evalkit.extractors._pretrained import pretrained
from evalkit.settings import Settings
from evalkit.spec.catalog import NetworkCard

PREFIX, LONGEST, AT_ONCE = "passage: ", 512, 16


def load_e5(card: NetworkCard, settings: Settings) -> Callable[[Sequence[str]], Rows]:
    """A function from texts to unit rows (n, dimensions); from data/weights/CARD, else the hub at the card's revision.

    Raises:
        UnavailableError: the weights are neither here nor to be fetched.
        ModelError: what is there is damaged.
    """
    folder = settings.root / "data" / "weights" / card.name
    where = (str(folder), None) if folder.is_dir() else (card.source, card.revision)
    tokens, device = pretrained("AutoTokenizer", *where), find_device(settings)
    network = pretrained("AutoModel", *where, use_safetensors=True, dtype="float32").eval().to(device)

    def embed(texts: Sequence[str]) -> Rows:
        parts = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
        return np.concatenate([_rows(network, tokens, part, device) for part in parts])

    return embed


def _rows(network: Any, tokens: Any, texts: Sequence[str], device: str) -> Rows:
    import torch

    asked = [f"{PREFIX}{text}" for text in texts]
    fed = tokens(asked, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt").to(device)
    with torch.inference_mode():
        states = network(input_ids=fed["input_ids"], attention_mask=fed["attention_mask"]).last_hidden_state
        mask = fed["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        rows: Rows = torch.nn.functional.normalize(mean, dim=1).float().cpu().numpy()
    return rows
