"""A tiny random CLIP in the real layout (CLIPModel, tokenizer, image processor), for tests."""

from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

WIDTH, CONTEXT = 16, 24


def write_clip(folder: Path, *, seed: int = 0, side: int = 32) -> Path:
    """Writes it with `save_pretrained`, as real ones are."""
    words = byte_tokenizer()
    tower = {"hidden_size": WIDTH, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    ids = {"vocab_size": len(words), "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    text = tower | ids | {"pad_token_id": words.pad_token_id, "max_position_embeddings": CONTEXT}
    vision = tower | {"image_size": side, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH))
        for parameter in network.parameters():
            parameter.data.normal_(0, 0.3)
    pictures = CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    network.eval().save_pretrained(folder)
    CLIPProcessor(image_processor=pictures, tokenizer=words).save_pretrained(folder)
    return folder


def byte_tokenizer() -> CLIPTokenizer:
    """Every byte is a token, so that any text has some."""
    letters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=CONTEXT)
