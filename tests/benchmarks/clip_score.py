"""CLIPScore of PartiPrompts against torchmetrics: images a second and equal values, on a random ViT-B/32.

    python -m venv /tmp/clip-peer
    /tmp/clip-peer/bin/pip install torch==2.14.1 torchvision==0.29.1 torchmetrics==1.9.0 transformers==4.57.6 pillow
    python -m tests.benchmarks.clip_score --peer /tmp/clip-peer/bin/python --parti PartiPrompts.tsv [--rounds 5]

torchmetrics 1.9 fails on transformers 5, so it has an environment of its own. All sides work in processes that stay up,
one after the other in each round, on one thread each, weights loaded before the clock starts. The tokenizer is CLIP's
own (its merges come with open-clip-torch): prompts have the lengths they have in practice. Writes clip_score.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
IMAGES_PER_PROMPT, SIDE = 3, 512
WORDS = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
PREPROCESSING = {
    "crop_size": 224, "size": 224, "do_resize": True, "do_center_crop": True, "do_normalize": True, "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "CLIPImageProcessor", "feature_extractor_type": "CLIPFeatureExtractor",
}  # fmt: skip
SIDES = ("torchmetrics", "torchmetrics-fast", "pytorch", "openvino")


def main() -> None:
    """Measures, prints and writes the table."""
    told = argparse.ArgumentParser()
    told.add_argument("--peer", required=True)
    told.add_argument("--parti", required=True, type=Path, help="PartiPrompts.tsv")
    told.add_argument("--rounds", type=int, default=5)
    told.add_argument("--prompts", type=int, default=16)
    asked = told.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job = prepare(Path(folder), sampled(asked.parti, asked.prompts))
        workers = {
            side: start(side, asked.peer if side.startswith("torchmetrics") else sys.executable, job) for side in SIDES
        }
        found = [{side: ask(worker) for side, worker in workers.items()} for _ in range(asked.rounds)]
        for worker in workers.values():
            worker.communicate("end\n")
    table = as_markdown(found, asked.prompts * IMAGES_PER_PROMPT)
    Path(__file__).with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


def sampled(parti: Path, count: int) -> list[str]:
    """Prompts at random, those beyond 77 tokens left out: torchmetrics cuts them elsewhere."""
    with parti.open(encoding="utf-8") as file:
        texts = [row["Prompt"] for row in csv.DictReader(file, delimiter="\t")]
    order = np.random.default_rng(0).permutation(len(texts))
    return [texts[place] for place in order if len(texts[place]) < 250][:count]


def prepare(folder: Path, texts: list[str]) -> Path:
    """A checkpoint of random weights in the real layout, PNG files, and their prompts."""
    import torch
    from PIL import Image
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    network = CLIPModel(CLIPConfig(text_config=WORDS, vision_config={}))
    with torch.inference_mode():  # random cosines are nearly equal: all above zero, or the clamp makes all of them 0
        seen = network.vision_model(pixel_values=torch.zeros(1, 3, 224, 224)).pooler_output
        read = network.text_model(input_ids=torch.tensor([[WORDS["bos_token_id"], WORDS["eos_token_id"]]]))
        cosine = torch.cosine_similarity(network.visual_projection(seen), network.text_projection(read.pooler_output))
    if cosine < 0:
        network.text_projection.weight.data.neg_()
    network.save_pretrained(folder / "clip")
    write_tokenizer(folder / "clip")
    (folder / "clip/preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    rng, pairs = np.random.default_rng(0), []
    for number, text in enumerate(text for text in texts for _ in range(IMAGES_PER_PROMPT)):
        small = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
        pairs.append([str(folder / f"{number}.png"), text])
    (folder / "job.json").write_text(json.dumps({"clip": str(folder / "clip"), "pairs": pairs}))
    return folder / "job.json"


def write_tokenizer(folder: Path) -> None:
    """CLIP's own, in transformers' files."""
    from open_clip.tokenizer import SimpleTokenizer

    own = SimpleTokenizer()
    renamed = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {renamed.get(token, token): number for token, number in own.encoder.items()}
    merges = sorted(own.bpe_ranks, key=own.bpe_ranks.get)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = "\n".join(" ".join(pair) for pair in merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{lines}\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    told = {**special, "pad_token": "<|endoftext|>", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


def start(side: str, python: str, job: Path) -> subprocess.Popen[str]:
    """A worker, after it loaded its weights and ran once."""
    command = [python, "-m", "tests.benchmarks.clip_score_worker", side, str(job)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    worker = subprocess.Popen(command, text=True, cwd=ROOT, **pipes)  # type: ignore[call-overload]
    assert worker.stdout.readline().strip() == "ready", side
    return worker


def ask(worker: subprocess.Popen[str]) -> dict[str, object]:
    """One round: seconds, CPU seconds and the value of each image."""
    assert worker.stdin and worker.stdout
    worker.stdin.write("go\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


def best_peer(one: dict[str, dict], key: str) -> float:
    """Seconds of the faster of torchmetrics' two ways in one round."""
    return min(told[key] for side, told in one.items() if side.startswith("torchmetrics"))


def as_markdown(found: list[dict[str, dict]], images: int) -> str:
    """The table: medians over rounds, ratios of each round's own pair."""
    from tests.benchmarks.machine import described

    lines = []
    truth = np.array(found[0]["torchmetrics"]["values"])
    for side in SIDES:
        rate, cpu = (images / np.median([one[side][key] for one in found]) for key in ("wall", "cpu"))
        ratios = [[best_peer(one, key) / one[side][key] for one in found] for key in ("wall", "cpu")]
        away = max(float(np.abs(np.array(one[side]["values"]) - truth).max()) for one in found)
        spans = [f"{np.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})" for ratio in ratios]
        lines.append(f"| {found[0][side]['name']} | {rate:.2f} | {cpu:.2f} | {spans[0]} | {spans[1]} | {away:.1e} |")
    return (
        f"""# CLIPScore from PNG files

`python -m tests.benchmarks.clip_score --peer PYTHON --parti PartiPrompts.tsv`, {time.strftime("%Y-%m-%d")}:
{described()}.
{images} images of {SIDE} px, {IMAGES_PER_PROMPT} a prompt of PartiPrompts, a random ViT-B/32, one thread each,
{len(found)} rounds.
Ratios are to the faster torchmetrics of the same round: median (least to most). CPU time is the steadier one.

| | images/s | images/CPU s | faster than the best torchmetrics, wall | by CPU time | largest difference, of 100 |
|---|---|---|---|---|---|
"""
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    main()
