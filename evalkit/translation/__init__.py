"""Machine translation of prompts, a file per kind of model: `translate(texts, lang, base, loaded)`."""

from __future__ import annotations

KIND_OF = {"m2m_100": "nllb", "nllb-moe": "nllb", "t5": "madlad"}
"""transformers' model type -> the file that knows how to speak to it."""
