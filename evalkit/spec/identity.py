"""What makes two things the same: canonical JSON -> SHA-256; the seed of an image; the drawing of samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def digest(value: Any) -> str:
    """SHA-256 (64 hexadecimal digits) of the canonical JSON of `value`: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def image_seed(study_seed: int, prompt_key: str, index: int) -> int:
    """The seed of image number `index` of a prompt: 63 bits, the same for every system, so that noise is shared."""
    return int(digest([study_seed, prompt_key, index])[:16], 16) >> 1


def draw(keys: Iterable[str], size: int | None, seed: int) -> list[str]:
    """The `size` keys with the smallest sha256("seed|key"), in the order of `keys`; all of them if size is None.

    Adding prompts to a set changes a sample as little as possible, and anyone can repeat the drawing in any language.
    """
    keys = list(dict.fromkeys(keys))
    if size is None:
        return keys
    chosen = set(sorted(keys, key=lambda key: hashlib.sha256(f"{seed}|{key}".encode()).hexdigest())[:size])
    return [key for key in keys if key in chosen]
