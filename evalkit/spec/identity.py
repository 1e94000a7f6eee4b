"""What makes two things the same: canonical JSON -> SHA-256; the seed of an image; the drawing of samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces."""
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """SHA-256 (64 hexadecimal digits) of the canonical JSON of `value`, in UTF-8."""
    return digest_of_text(canonical(value))


def digest_of_text(text: str) -> str:
    """SHA-256 (64 hexadecimal digits) of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def image_seed(study_seed: int, prompt_key: str, index: int) -> int:
    """The seed of image number `index` of a prompt: 63 bits, the same for every system, so that noise is shared."""
    return image_seeds(study_seed, prompt_key, index + 1)[index]


def image_seeds(study_seed: int, prompt_key: str, count: int) -> list[int]:
    """Those of the first `count` images: half of 16 hexadecimal digits of digest([study_seed, key, index])."""
    begin = canonical([study_seed, prompt_key])[:-1]
    return [int(digest_of_text(f"{begin},{index}]")[:16], 16) >> 1 for index in range(count)]


def draw(keys: Iterable[str], size: int | None, seed: int) -> list[str]:
    """The `size` keys with the smallest sha256("seed|key"), in the order of `keys`; all of them if size is None.

    Adding prompts to a set changes a sample as little as possible, and anyone can repeat the drawing in any language.
    """
    keys = list(dict.fromkeys(keys))
    if size is None:
        return keys
    chosen = set(sorted(keys, key=lambda key: hashlib.sha256(f"{seed}|{key}".encode()).hexdigest())[:size])
    return [key for key in keys if key in chosen]


def draw_stratified(groups: Mapping[str, Hashable], size: int | None, seed: int) -> list[str]:
    """`size` of the keys of `groups` (key -> its group), from each group in proportion to its size; all if None.

    Shares are rounded by largest remainder (Hamilton); equal remainders go to the group whose keys come first by hash.
    """
    if size is None or size >= len(groups):
        return list(groups)
    members: dict[Hashable, list[str]] = {}
    for key in draw(groups, len(groups), seed):
        members.setdefault(groups[key], []).append(key)
    exact = {group: size * len(keys) / len(groups) for group, keys in members.items()}
    shares = {group: int(share) for group, share in exact.items()}
    order = sorted(members, key=lambda group: (shares[group] - exact[group], draw_rank(members[group], seed)))
    for group in order[: size - sum(shares.values())]:
        shares[group] += 1
    chosen = {key for group, keys in members.items() for key in draw(keys, shares[group], seed)}
    return [key for key in groups if key in chosen]


def draw_rank(keys: Iterable[str], seed: int) -> str:
    """The smallest sha256("seed|key") of some keys: an order of groups that tells nothing."""
    return min(hashlib.sha256(f"{seed}|{key}".encode()).hexdigest() for key in keys)
