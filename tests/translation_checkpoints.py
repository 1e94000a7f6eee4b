"""Tiny random models in the real layouts: NLLB-200 (M2M100), MADLAD-400 (T5), multilingual-e5 (BERT), for tests."""

from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertModel,
    GenerationConfig,
    M2M100Config,
    M2M100ForConditionalGeneration,
    NllbTokenizer,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
    XLMRobertaTokenizer,
)

LETTERS = "▁abcdefghijklmnopqrstuvwxyz"


def write_nllb(folder: Path, *, seed: int = 0) -> Path:
    """Letters as tokens, all 202 languages of FLORES-200."""
    vocabulary = {token: place for place, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *LETTERS])}
    tokenizer = NllbTokenizer(vocab=vocabulary, merges=[])
    torch.manual_seed(seed)
    network = M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=len(tokenizer),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_position_embeddings=128,
        )
    )
    network.generation_config = GenerationConfig(
        max_length=24, decoder_start_token_id=2, pad_token_id=1, eos_token_id=2
    )
    return _save(folder, network, tokenizer)


def write_madlad(folder: Path, *, seed: int = 0, languages=("en", "es", "sw")) -> Path:
    """Letters as tokens, and a token <2xx> for each language."""
    marks = [(f"<2{lang}>", 0.0) for lang in languages]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((letter, -3.0) for letter in LETTERS)]
    tokenizer = T5Tokenizer(vocab=[*pieces, *marks], extra_ids=0)
    torch.manual_seed(seed)
    config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    network = T5ForConditionalGeneration(config)
    network.generation_config = GenerationConfig(
        max_length=24, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1
    )
    return _save(folder, network, tokenizer)


def write_e5(folder: Path, *, seed: int = 0) -> Path:
    """As multilingual-e5-small lies on its hub: a BERT with the tokens of XLM-RoBERTa."""
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    letters = [(letter, -3.0 - place / 10) for place, letter in enumerate([*LETTERS, ":"])]
    tokenizer = XLMRobertaTokenizer(vocab=[*special, *letters, ("<mask>", 0.0)])
    torch.manual_seed(seed)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    network = BertModel(BertConfig(vocab_size=len(tokenizer), pad_token_id=1, initializer_range=0.5, **size))
    return _save(folder, network, tokenizer)


def _save(folder: Path, network, tokenizer) -> Path:
    network.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
