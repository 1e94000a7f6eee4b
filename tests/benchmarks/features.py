"""512 x 512 PNG files to Inception features against pytorch-fid, clean-fid, torch-fidelity and torchmetrics.

    pip install --no-deps 'pytorch-fid==0.3.0' 'clean-fid==0.1.35'
    env OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m tests.benchmarks.features

Everyone gets the same random weights (published shapes), one thread, batches of 16, no worker processes, and takes
turns in one process. Compared is CPU time, which a busy machine spoils least. `--write` writes features.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from evalkit.extractors import inception
from evalkit.extractors._cache import cached_features
from evalkit.settings import Settings
from evalkit.spec.fingerprint import file_sha256
from evalkit.stats.frechet import frechet_distance_from_features
from tests.benchmarks.machine import described
from tests.extractors.random_inception import write_random_inception

BATCH, SIDE, AXES = 16, 512, 4
OURS, WITH_OPENVINO = "evalkit, PyTorch", "evalkit, OpenVINO"
WAY_OF = {"pytorch-fid": "pytorch-fid", "clean-fid": "clean", "torch-fidelity": "torch-fidelity"}
WAY_OF |= {"torchmetrics": "torchmetrics"}
Embed = Callable[[Sequence[Path]], np.ndarray]


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Smooth shapes with some grain, as pictures are: PNG files of some 400 kB."""
    folder.mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
        grain = rng.normal(0, 6, (SIDE, SIDE, 3))
        pixels = np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return sorted(folder.iterdir())


def ours(settings: Settings, way: str | None = None) -> Embed:
    embed = inception.load(settings, way)
    return lambda paths: np.concatenate(list(embed(paths)))


def by_pytorch_fid(weights: Path) -> Embed:
    import torch
    from pytorch_fid import fid_score
    from pytorch_fid import inception as peer

    with mock.patch.object(peer, "load_state_dict_from_url", lambda *a, **k: torch.load(weights, weights_only=True)):
        network = peer.InceptionV3().eval()
    return lambda paths: fid_score.get_activations(list(map(str, paths)), network, BATCH, num_workers=0)


def by_clean_fid(weights: Path) -> Embed:
    """Its own network class in place of its TorchScript file, which only a download gives."""
    import torch
    from cleanfid import fid
    from cleanfid import inception_pytorch as peer

    with mock.patch.object(peer, "load_state_dict_from_url", lambda *a, **k: torch.load(weights, weights_only=True)):
        network = peer.InceptionV3(output_blocks=[3], resize_input=False, normalize_input=False).eval()

    def scaled(pixels):
        return network((pixels - 128) / 128)[0].flatten(1)

    options = {"num_workers": 0, "batch_size": BATCH, "device": torch.device("cpu"), "mode": "clean", "verbose": False}
    return lambda paths: fid.get_files_features(list(map(str, paths)), scaled, **options)


def by_torch_fidelity(weights: Path) -> Embed:
    from torch_fidelity import utils
    from torch_fidelity.datasets import ImagesPathDataset

    network = utils.create_feature_extractor(
        "inception-v3-compat", ["2048"], cuda=False, feature_extractor_weights_path=str(weights), verbose=False
    )

    def embed(paths):
        dataset = ImagesPathDataset(list(map(str, paths)))
        return utils.get_featuresdict_from_dataset(dataset, network, BATCH, False, True, False)["2048"].numpy()

    return embed


def by_torchmetrics(weights: Path) -> Embed:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature_extractor_weights_path=str(weights))

    def pixels(path):
        return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)

    def embed(paths):
        parts = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
        with torch.no_grad():
            return np.concatenate([metric.inception(torch.stack(list(map(pixels, part)))).numpy() for part in parts])

    return embed


def measured(ways: dict[str, Embed], paths: list[Path], rounds: int) -> dict[str, dict]:
    """name -> CPU and wall seconds of each round, and the features; the first pictures are a warm-up for each."""
    found: dict[str, dict] = {name: {"cpu": [], "wall": []} for name in ways}
    for way in ways.values():
        way(paths[:2])
    for _ in range(rounds):
        for name, way in ways.items():
            cpu, wall = time.process_time(), time.perf_counter()
            found[name]["features"] = way(paths)
            found[name]["cpu"].append(time.process_time() - cpu)
            found[name]["wall"].append(time.perf_counter() - wall)
            print(f"{name:<18} {found[name]['cpu'][-1]:.2f} CPU s, {found[name]['wall'][-1]:.2f} s", flush=True)
    return found


def second_scoring(settings: Settings, paths: list[Path], folder: Path) -> tuple[float, float]:
    """CPU seconds of the features of a folder the first time and, from the cache, the second."""
    spent = []
    for _ in range(2):
        start = time.process_time()
        shas = {file_sha256(path): path for path in paths}
        cached_features(shas, "inception|bench", lambda: inception.load(settings), folder)
        spent.append(time.process_time() - start)
    return spent[0], spent[1]


def away(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest distance of a feature row over its length."""
    return float((np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def by_peer(name: str, features: np.ndarray) -> float:
    """Distance of the first half to the second by the peer's own code (clean-fid's is pytorch-fid's)."""
    import torch
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    half = len(features) // 2
    parts = [rows[:, :AXES].astype(np.float64) for rows in (features[:half], features[half:])]
    if name == "torch-fidelity":
        told = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in parts]
        return fid_statistics_to_metric(*told, verbose=False)["frechet_inception_distance"]
    if name == "torchmetrics":
        told = [(torch.from_numpy(rows.mean(axis=0)), torch.from_numpy(np.cov(rows, rowvar=False))) for rows in parts]
        return float(_compute_fid(*told[0], *told[1]))
    statistics = [part for rows in parts for part in (rows.mean(axis=0), np.cov(rows, rowvar=False))]
    return float(calculate_frechet_distance(*statistics))


def as_markdown(found: dict[str, dict], settings: Settings, paths: list[Path], cached: tuple[float, float]) -> str:
    best_peer = min(min(found[name]["cpu"]) for name in WAY_OF)
    lines = [
        HEAD.format(day=time.strftime("%Y-%m-%d"), machine=described(), n=len(paths), rounds=len(found[OURS]["cpu"]))
    ]
    for name, told in found.items():
        cpu, wall = min(told["cpu"]), min(told["wall"])
        lines.append(f"| {name} | {len(paths) / cpu:.2f} | {len(paths) / wall:.2f} | {best_peer / cpu:.2f} |")
    vino = away(found[WITH_OPENVINO]["features"], found[OURS]["features"])
    clean = away(found[OURS]["features"], found["clean-fid"]["features"])
    lines.append(SAME.format(vino=vino, clean=clean, axes=AXES))
    half = len(paths) // 2
    for name, way in WAY_OF.items():
        rows = ours(settings, way)(paths)
        own = frechet_distance_from_features(rows[:half, :AXES], rows[half:, :AXES])
        theirs = by_peer(name, found[name]["features"])
        distance = away(rows, found[name]["features"])
        lines.append(f"| {name} | {distance:.1e} | {theirs:.6f} | {own:.6f} | {abs(own - theirs) / theirs:.1e} |")
    lines.append(CACHED.format(first=cached[0], second=cached[1], ratio=cached[0] / cached[1]))
    return "\n".join(lines) + "\n"


HEAD = """# 512 x 512 PNG to Inception features

`python -m tests.benchmarks.features`, {day}; {machine}; one thread, batches of 16,
{n} pictures, the least of {rounds} rounds that took turns in one process. Random weights in the published
shapes. Other work shared the machine: CPU time is the steadier one.

| | images a CPU second | images a second | CPU speed over the best peer |
|---|--:|--:|--:|"""
SAME = """
Largest distance of a feature row over its length: OpenVINO from PyTorch {vino:.1e}, PyTorch from clean-fid {clean:.1e}.

## The same pictures, number beside number

The Frechet distance of the first half to the second, by each package and by evalkit in the package's way of resizing,
on the first {axes} features: as many as so few pictures give covariances of full rank.

| package | features apart (over length) | its value | evalkit | relative difference |
|---|--:|--:|--:|--:|"""
CACHED = """
## A second scoring

Features of the same folder: {first:.2f} CPU s the first time, {second:.3f} from the cache: {ratio:.0f} times faster."""


def main(count: int, rounds: int) -> str:
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths, weights = write_pictures(folder / "pictures", count), write_random_inception(folder / "weights.pth")
        settings = Settings(root=folder, device="cpu", threads=1, _env_file=None)
        with mock.patch.object(inception, "weights_file", lambda settings: weights):
            ways = {
                OURS: ours(settings),
                WITH_OPENVINO: ours(settings.model_copy(update={"runtime": "openvino"})),
                "pytorch-fid": by_pytorch_fid(weights),
                "clean-fid": by_clean_fid(weights),
                "torch-fidelity": by_torch_fidelity(weights),
                "torchmetrics": by_torchmetrics(weights),
            }
            found = measured(ways, paths, rounds)
            return as_markdown(found, settings, paths, second_scoring(settings, paths, folder / "features"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write features.md")
    asked = parser.parse_args()
    text = main(asked.pictures, asked.rounds)
    print(text)
    if asked.write:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
