"""Small random checkpoints in the layouts in which the real ones are published, for tests."""

from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    BertTokenizer,
    BlipImageProcessor,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    PreTrainedTokenizerFast,
)

HEAD = (0, 2, 4, 6, 7)


def card(root: Path, name: str, **facts: object) -> None:
    """data/networks/NAME.yaml of a test's own checkout, as the real one but for `facts`."""
    import yaml

    from tests.conftest import ROOT

    told = yaml.safe_load((ROOT / "data/networks" / f"{name}.yaml").read_text())
    (root / "data/networks").mkdir(parents=True, exist_ok=True)
    (root / "data/networks" / f"{name}.yaml").write_text(yaml.safe_dump(told | facts))


def head_tensors(width: int, prefix: str = "", *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Five linear layers as torch's Sequential with dropouts numbers them."""
    generator, sizes, tensors = torch.Generator().manual_seed(seed), (width, 12, 8, 6, 4, 1), {}
    for layer, (n_in, n_out) in zip(HEAD, pairwise(sizes), strict=True):
        tensors[f"{prefix}layers.{layer}.weight"] = torch.randn(n_out, n_in, generator=generator) / n_in**0.5
        tensors[f"{prefix}layers.{layer}.bias"] = torch.randn(n_out, generator=generator) / 4
    return tensors


def head_forward(rows: torch.Tensor, tensors: dict[str, torch.Tensor], prefix: str = "") -> torch.Tensor:
    """The same by torch's own modules."""
    sizes = [tensors[f"{prefix}layers.{layer}.weight"].shape for layer in HEAD]
    layers = [torch.nn.Linear(shape[1], shape[0]) for shape in sizes]
    parts = [layers[0], torch.nn.Dropout(), layers[1], torch.nn.Dropout(), layers[2], torch.nn.Dropout(), *layers[3:]]
    whole = torch.nn.Sequential(*parts).eval()
    whole.load_state_dict({name.removeprefix(f"{prefix}layers."): tensor for name, tensor in tensors.items()})
    return whole(rows)


def write_bert_words(folder: Path) -> Path:
    """A tokenizer of letters and some words in BERT's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(97, 123)] + [str(n) for n in range(10)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def image_reward_tensors(*, seed: int = 0, side: int = 32, words: int = 80) -> dict[str, torch.Tensor]:
    """A BLIP of two layers in its first authors' layout, with the head of ImageReward."""
    generator = torch.Generator().manual_seed(seed)
    wide, narrow, patch = 128, 64, 8

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * (0.5 / shape[-1] ** 0.5 if len(shape) > 1 else 0.2)

    def linear(name: str, n_out: int, n_in: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": random(n_out, n_in), f"{name}.bias": random(n_out)}

    def norm(name: str, width: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": 1 + random(width), f"{name}.bias": random(width)}

    eye = {"cls_token": random(1, 1, wide), "pos_embed": random(1, (side // patch) ** 2 + 1, wide)}
    eye |= {"patch_embed.proj.weight": random(wide, 3, patch, patch), "patch_embed.proj.bias": random(wide)}
    for layer in range(2):
        block = f"blocks.{layer}"
        eye |= norm(f"{block}.norm1", wide) | norm(f"{block}.norm2", wide) | linear(f"{block}.attn.qkv", 3 * wide, wide)
        eye |= linear(f"{block}.attn.proj", wide, wide) | linear(f"{block}.mlp.fc1", 96, wide)
        eye |= linear(f"{block}.mlp.fc2", wide, 96)
    eye |= norm("norm", wide)
    text = {"embeddings.word_embeddings.weight": random(words, narrow) * 4}
    text |= {"embeddings.position_embeddings.weight": random(40, narrow) * 4} | norm("embeddings.LayerNorm", narrow)
    text["embeddings.position_ids"] = torch.arange(40)[None]
    for layer in range(2):
        for part, width in (("attention", narrow), ("crossattention", wide)):
            block = f"encoder.layer.{layer}.{part}"
            text |= linear(f"{block}.self.query", narrow, narrow) | linear(f"{block}.self.key", narrow, width)
            text |= linear(f"{block}.self.value", narrow, width) | linear(f"{block}.output.dense", narrow, narrow)
            text |= norm(f"{block}.output.LayerNorm", narrow)
        block = f"encoder.layer.{layer}"
        text |= linear(f"{block}.intermediate.dense", 96, narrow) | linear(f"{block}.output.dense", narrow, 96)
        text |= norm(f"{block}.output.LayerNorm", narrow)
    found = {f"blip.visual_encoder.{name}": tensor for name, tensor in eye.items()}
    found |= {f"blip.text_encoder.{name}": tensor for name, tensor in text.items()}
    return found | head_tensors(narrow, "mlp.", seed=seed)


def write_instructblip(folder: Path, *, seed: int = 0, side: int = 32, queries: int = 4) -> Path:
    """An InstructBLIP on a T5 of two layers, with its processor, as `save_pretrained` writes them."""
    fields = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    words = byte_words()
    bert = BertTokenizer(str(write_bert_words(folder / "words") / "vocab.txt"))
    words.add_tokens(["<image>"], special_tokens=True)
    t5 = {"model_type": "t5", "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    t5 |= {"vocab_size": len(words), "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}
    config = InstructBlipConfig(
        vision_config=fields | {"image_size": side, "patch_size": 8},
        qformer_config=fields | {"vocab_size": len(bert), "encoder_hidden_size": 16},
        text_config=t5,
        num_query_tokens=queries,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = InstructBlipForConditionalGeneration(config)
        for parameter in network.parameters():
            parameter.data.normal_(0, 0.3)
    network.eval().save_pretrained(folder)
    pictures = BlipImageProcessor(size={"height": side, "width": side})
    InstructBlipProcessor(pictures, words, bert, num_query_tokens=queries).save_pretrained(folder)
    return folder


def byte_words() -> PreTrainedTokenizerFast:
    """Every byte is a token, and "yes" is one; an end token closes each text, as in T5."""
    from tokenizers.processors import TemplateProcessing

    letters = sorted(ByteLevel.alphabet())
    vocabulary = {word: place for place, word in enumerate(["<pad>", "</s>", "<unk>", "yes", *letters])}
    inner = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    inner.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )
