"""The translation of pieces of a prompt set, wherever a worker sits: there, back, and how near the way back comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit import registry
from evalkit.engines import Job
from evalkit.settings import Settings
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
    """How pieces are translated; called by each worker, it loads the model."""

    source: _seq2seq.Source
    base: str
    settings: Settings

    def __call__(self) -> Job[Piece, list[Prompt], tuple[Piece, list[Prompt]]]:
        device = self.settings.device if self.settings.device != "auto" else _accelerator()
        loaded, encoder = _seq2seq.load(self.source, KIND_OF, device), _similarity.find_encoder(self.settings)
        return Job(lambda piece: _translated(piece, self.base, loaded, encoder), lambda piece, made: (piece, made))


def _accelerator() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _translated(piece: Piece, base: str, loaded: _seq2seq.Loaded, encoder: _similarity.Encoder | None) -> list[Prompt]:
    module, texts = registry.get("translation", loaded.kind), [prompt.text for prompt in piece.originals]
    there = module.translate(texts, piece.lang, base, loaded)
    back = module.translate(there, base, piece.lang, loaded)
    near: Sequence[float | None] = encoder.similarities(texts, back) if encoder else [None] * len(texts)
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
