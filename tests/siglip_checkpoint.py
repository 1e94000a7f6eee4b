"""A tiny random SigLIP in the multilingual one's layout (SiglipModel, SentencePiece, image processor), for tests."""

import io
import json
from pathlib import Path

import sentencepiece
import torch
from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor, SiglipTokenizer

WIDTH, CONTEXT = 16, 64
TEXTS = [
    "a red apple and two dogs",
    "una manzana roja",
    "कुत्ता लाल",
    "تفاحة حمراء",
    "犬が走る。猫",
    "scene 0123456789 in es",
]


def write_siglip(folder: Path, *, seed: int = 0, side: int = 32) -> Path:
    """Writes it with `save_pretrained`, as real ones are; every byte has a token."""
    folder.mkdir(parents=True, exist_ok=True)
    words = SiglipTokenizer(str(_pieces(folder / "words.model")), model_input_names=["input_ids"])
    tower = {"hidden_size": WIDTH, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    text = tower | {"vocab_size": words.vocab_size, "max_position_embeddings": CONTEXT, "projection_size": WIDTH}
    text |= {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id, "bos_token_id": 0}
    config = SiglipConfig(text_config=text, vision_config=tower | {"image_size": side, "patch_size": 8})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SiglipModel(config)
        for parameter in network.parameters():
            parameter.data.normal_(0, 0.3)
    pictures = SiglipImageProcessor(size={"height": side, "width": side}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    network.eval().save_pretrained(folder)
    SiglipProcessor(image_processor=pictures, tokenizer=words).save_pretrained(folder)
    (folder / "words.model").unlink()
    assert {"spiece.model", "config.json", "model.safetensors"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / "config.json").read_text())["model_type"] == "siglip"
    return folder


def _pieces(path: Path) -> Path:
    """A SentencePiece model of single characters and bytes, numbered as in T5: pad 0, end 1, unknown 2."""
    told = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=told,
        model_type="char",
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    path.write_bytes(told.getvalue())
    return path
