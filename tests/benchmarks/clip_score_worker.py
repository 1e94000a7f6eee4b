"""One side of the CLIPScore benchmark: `python -m tests.benchmarks.clip_score_worker SIDE JOB`, "go" a round."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Run = Callable[[], list[float]]
BATCH = 16


def by_torchmetrics(job: dict, *, fast: bool) -> tuple[str, Run]:
    """As its documentation has it: batches of uint8 images with their texts; single scores are read for comparison.

    `fast`: transformers' image processor on tensors in place of the one on Pillow, which is the model's own default.
    """
    import numpy as np
    import torch
    from PIL import Image
    from torchmetrics import __version__
    from torchmetrics.functional.multimodal.clip_score import _clip_score_update
    from torchmetrics.multimodal import CLIPScore
    from transformers import CLIPModel, CLIPProcessor

    torch.set_num_threads(1)

    def network() -> tuple[CLIPModel, CLIPProcessor]:
        return CLIPModel.from_pretrained(job["clip"]), CLIPProcessor.from_pretrained(job["clip"], use_fast=fast)

    metric = CLIPScore(model_name_or_path=network)

    def run() -> list[float]:
        found: list[float] = []
        for start in range(0, len(job["pairs"]), BATCH):
            part = job["pairs"][start : start + BATCH]
            images = [torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1) for path, _ in part]
            with torch.inference_mode():
                scores, _ = _clip_score_update(images, [text for _, text in part], metric.model, metric.processor)
            found += scores.clamp(min=0).tolist()
        return found

    return f"torchmetrics {__version__}, {'fast' if fast else 'default'} image processor", run


def by_evalkit(job: dict, runtime: str) -> tuple[str, Run]:
    """The metric itself, its networks loaded once, its cache empty in each round."""
    from evalkit.extractors import clip
    from evalkit.metrics import clip_score
    from evalkit.metrics._metric import Picture, Workplace
    from evalkit.settings import Settings

    options = {"runtime": runtime} if "runtime" in Settings.model_fields else {}
    settings = Settings(device="cpu", threads=1, _env_file=None, **options)
    checkpoint = clip.find_checkpoint(settings, job["clip"])
    clip._tokenizer = functools.cache(clip._tokenizer)  # loaded before the clock starts, as the peer's is
    on_pictures, on_texts = clip.load_pictures(checkpoint, settings), clip.load_texts(checkpoint, settings)
    clip.load_pictures, clip.load_texts = lambda *_: on_pictures, lambda *_: on_texts
    pictures = [Picture(Path(path), path, text) for path, text in job["pairs"]]

    def run() -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            return clip_score.score(pictures, Workplace(settings, Path(folder), job["clip"])).values.tolist()

    return f"evalkit, {'PyTorch' if runtime == 'pytorch' else 'OpenVINO'}", run


def main() -> None:
    side, job = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    peer = side.startswith("torchmetrics")
    name, run = by_torchmetrics(job, fast=side.endswith("fast")) if peer else by_evalkit(job, side)
    run()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "go":
            return
        wall, cpu = time.perf_counter(), time.process_time()
        values = run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"name": name, "wall": wall, "cpu": cpu, "values": values}), flush=True)


if __name__ == "__main__":
    main()
