"""The translation of pieces of a prompt set, wherever a worker sits: there, back, and how near the way back comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit import registry
from evalkit.engines import Job
from evalkit.spec.catalog import Prompt
from evalkit.translation import KIND_OF, _seq2seq, _similarity


@dataclass(frozen=True)
class Piece:
    """Prompts that are translated at once, into one language."""

    lang: str
    originals: tuple[Prompt, ...]


def pieces(todo: dict[str, list[Prompt]]) -> list[Piece]:
    """What is missing, language by language, in the model's batches."""
    size = _seq2seq.BATCH
    return [
        Piece(lang, tuple(originals[start : start + size]))
        for lang, originals in todo.items()
        for start in range(0, len(originals), size)
    ]


@dataclass(frozen=True)
class Translating:
    """How pieces are translated; called by each worker, it loads the model. `device`: auto takes what there is."""

    source: _seq2seq.Source
    base: str
    device: str

    def __call__(self) -> Job[Piece, list[Prompt], tuple[Piece, list[Prompt]]]:
        loaded = _seq2seq.load(self.source, KIND_OF, self.device if self.device != "auto" else _accelerator())
        return Job(lambda piece: _translated(piece, self.base, loaded), lambda piece, made: (piece, made))


def _accelerator() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _translated(piece: Piece, base: str, loaded: _seq2seq.Loaded) -> list[Prompt]:
    module, texts = registry.get("translation", loaded.kind), [prompt.text for prompt in piece.originals]
    there = module.translate(texts, piece.lang, base, loaded)
    back = module.translate(there, base, piece.lang, loaded)
    near: Sequence[float | None] = _similarity.similarities(texts, back) or [None] * len(texts)
    return [_machine(*row, piece.lang, loaded) for row in zip(piece.originals, there, near, strict=True)]


def _machine(prompt: Prompt, text: str, similarity: float | None, lang: str, loaded: _seq2seq.Loaded) -> Prompt:
    empty = not text.strip()
    return prompt.model_copy(
        update={
            "lang": lang,
            "text": prompt.text if empty else text,
            "source": "machine",
            "translator": loaded.name,
            "revision": loaded.revision,
            "status": "doubtful" if empty else "machine",
            "similarity": similarity,
        }
    )
