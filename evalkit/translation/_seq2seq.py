"""Loading and running a translation model through transformers: a folder, or a hub repository at a pinned revision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import ModelError, UnavailableError
from evalkit.spec.fingerprint import folder_digest

BATCH, LONGEST = 16, 512
_HUB = re.compile(r"^([\w.-]+/[\w.-]+)(?:@([0-9a-f]{40}))?$")


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer; `name` and `revision` go into every row that it translates."""

    network: Any
    tokenizer: Any
    kind: str
    name: str
    revision: str
    device: str


@dataclass(frozen=True)
class Source:
    """Where a translation model lies. `revision`: the commit, or the digest of the folder."""

    where: str
    name: str
    revision: str
    commit: str | None


def find(model: str, root: Path, known_revision: str = "") -> Source:
    """A folder (relative to the checkout or not), or `owner/name`, `owner/name@REVISION` on a hub.

    Args:
        known_revision: the one that earlier rows were translated with: it is kept, so that one file has one model.

    Raises:
        UnavailableError: the hub cannot be asked for the revision.
        ModelError: neither folder nor hub repository.
    """
    folder = Path(model) if Path(model).is_absolute() else root / model
    if (folder / "config.json").is_file():
        return Source(str(folder), folder.name, folder_digest(folder), None)
    match = _HUB.match(model)
    if match is None:
        hint = "give owner/name@REVISION, or a folder with config.json"
        raise ModelError(f"no translation model {model!r}", where=str(folder), hint=hint)
    revision = match[2] or known_revision or _resolved(match[1])
    return Source(match[1], match[1], revision, revision)


def load(source: Source, kinds: dict[str, str], device: str) -> Loaded:
    """The network in full precision on a CPU, half on an accelerator; safetensors only, no remote code.

    Raises:
        ModelError: damaged, or of a kind that nobody here speaks to.
        UnavailableError: it is on a hub that cannot be reached.
    """
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    dtype = torch.float32 if device == "cpu" else torch.float16
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.where, revision=source.commit)
        network = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            source.where, revision=source.commit, use_safetensors=True, dtype=dtype
        )
    except ImportError:
        raise
    except Exception as error:  # a damaged or absent checkpoint raises many kinds
        kind = UnavailableError if source.commit else ModelError
        told = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        hint = "fetch it while online, or name a folder with --model"
        raise kind(f"the translation model cannot be loaded: {told}", where=source.where, hint=hint) from error
    told = network.config.model_type
    if told not in kinds:
        hint = f"known kinds: {', '.join(sorted(kinds))}"
        raise ModelError(f"a model of type {told!r} is no known translator", where=source.where, hint=hint)
    network = network.eval().requires_grad_(False).to(device)
    return Loaded(network, tokenizer, kinds[told], source.name, source.revision, device)


def run(loaded: Loaded, texts: Sequence[str], **options: Any) -> list[str]:
    """Translations in order, by beam search of 4 (no sampling: the same text gives the same translation)."""
    import torch

    found: list[str] = []
    for start in range(0, len(texts), BATCH):
        part = list(texts[start : start + BATCH])
        fed = loaded.tokenizer(part, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST)
        wanted = {name: fed[name].to(loaded.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            made = loaded.network.generate(**wanted, num_beams=4, do_sample=False, max_new_tokens=LONGEST, **options)
        found += loaded.tokenizer.batch_decode(made, skip_special_tokens=True)
    return [" ".join(text.split()) for text in found]


def _resolved(repository: str) -> str:
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(repository).sha)
    except Exception as error:  # the client raises many kinds: offline, missing, refused
        hint = "give owner/name@REVISION and fetch it once, or name a folder with --model"
        raise UnavailableError(
            f"the hub gives no revision: {type(error).__name__}", where=repository, hint=hint
        ) from error
