"""Scoring needs the same memory for many images as for few: their features stay on disk."""

import resource
import subprocess
import sys
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest

from evalkit.extractors import _cache, _mapped, clip, lite0
from evalkit.extractors._cache import cached_features
from evalkit.metrics import _clip, clip_r_precision, clip_score
from evalkit.metrics._metric import Picture, Workplace
from evalkit.stages.score_folders import score_folders
from evalkit.stats import frechet, kernel
from tests.clip_checkpoint import write_clip
from tests.conftest import ROOT

WIDE = 1024
"""Numbers in a feature row: 4 kB as stored, 8 kB in the float64 of all sums."""
PER_IMAGE = 2500
"""Bytes an image may cost: its path, its digest, its label, never its features."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that a thousand rows are many blocks."""
    for place, name in (
        (frechet, "_ROWS_AT_ONCE"),
        (kernel, "_ROWS_AT_ONCE"),
        (_clip, "_ROWS_AT_ONCE"),
        (_mapped, "ROWS_AT_ONCE"),
        (_cache, "ROWS_BETWEEN_WRITES"),
    ):
        monkeypatch.setattr(place, name, 64)
    monkeypatch.setattr(_mapped, "IN_MEMORY", 1 << 20)


def embed_quickly(dimensions):
    """Stands where a network would be: a row of its own for each file or text, in batches of 16."""

    def embed(items):
        for start in range(0, len(items), 16):
            part = range(start, min(start + 16, len(items)))
            yield np.stack([np.random.default_rng(n).normal(1, 1, dimensions) for n in part]).astype(np.float32)

    return lambda *_: embed


def peak(work):
    """Bytes that Python and numpy had allocated at most, beyond what was there before."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    work()
    found = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return found


def grows_by(work, few, many):
    """Bytes an image, from `few` images to `many`."""
    work(20)  # imports, once
    return (peak(lambda: work(many)) - peak(lambda: work(few))) / (many - few)


def test_features_of_many_pictures_stay_on_disk_and_a_copy_of_them_is_seen(tmp_path):
    def work(count, copied=False):
        items = {sha256(bytes([n % 256, n // 256])).hexdigest(): n for n in range(count)}
        folder = tmp_path / f"{count}"
        found = cached_features(items, "net|x", embed_quickly(WIDE), folder)
        shuffled = found.of(list(items)[::-1])
        assert len(shuffled) == count and (shuffled[0] == found[list(items)[-1]]).all()
        if copied:
            np.stack(list(found.values())).astype(np.float64)

    assert grows_by(work, 600, 1500) < PER_IMAGE
    assert grows_by(lambda count: work(count, copied=True), 600, 1500) > 2 * PER_IMAGE  # the planted fault


def named_files(folder, count):
    """Files with the names of pictures; nothing decodes them."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.png").write_bytes(f"{folder.name} {number}".encode())
    return folder


def test_a_folder_of_many_pictures_is_scored_in_the_memory_of_a_few(tmp_path, settings, monkeypatch):
    dimensions = 300
    monkeypatch.setattr(lite0, "load", embed_quickly(dimensions))
    base = named_files(tmp_path / "base", 2 * dimensions)

    def work(count):
        folder = tmp_path / f"own-{count}"
        folder = folder if folder.is_dir() else named_files(folder, count)
        told = score_folders(folder, settings, reference=base, metrics=["fd_lite0", "kid_lite0"])
        assert [row["n"] for row in told.facts["values"]] == [count, count]

    assert grows_by(work, 650, 1500) < PER_IMAGE  # their features alone are 3,600 bytes, as stored and as float64


def test_image_metrics_take_no_more_memory_for_many_images(tmp_path, settings, monkeypatch):
    write_clip(settings.root / "data" / "weights" / "tiny-clip")
    monkeypatch.setattr(clip, "load_pictures", embed_quickly(WIDE))
    monkeypatch.setattr(clip, "load_texts", embed_quickly(WIDE))

    def work(count):
        shas = [sha256(f"{n}".encode()).hexdigest() for n in range(count)]
        pictures = [Picture(tmp_path, sha, f"prompt {n % 8}", "en") for n, sha in enumerate(shas)]
        workplace = Workplace(settings, tmp_path / f"features-{count}", "tiny-clip")
        for metric in (clip_score, clip_r_precision):
            assert len(metric.score(pictures, workplace).values) == count

    assert grows_by(work, 600, 1500) < PER_IMAGE


MILLION = """
import resource, sys
from pathlib import Path
import numpy as np
from evalkit.extractors._mapped import mapped, write_mapped
from evalkit.stats.frechet import frechet_distance_from_features

path, count, width = Path(sys.argv[1]), 1_000_000, 256
draw = lambda start: np.random.default_rng(start).standard_normal((10_000, width), np.float32)
small = {"extractor": np.array("x"), "sha256": np.array([""])}
write_mapped(path, small, "features", map(draw, range(0, count, 10_000)), (count, width))
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]), resource.RLIM_INFINITY))
rows = mapped(path, "features") if sys.argv[3] == "mapped" else np.load(path)["features"]
print(rows.shape, frechet_distance_from_features(rows, rows[: 10_000]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_DATA"), reason="this system has no limit of data")
def test_a_million_cached_rows_go_through_where_only_a_fraction_of_them_has_room(tmp_path):
    def run(way):
        command = [sys.executable, "-c", MILLION, str(tmp_path / "rows.npz"), str(600 << 20), way]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = run("mapped")
    assert done.returncode == 0 and done.stdout.startswith("(1000000, 256)"), done.stderr
    assert "MemoryError" in run("loaded").stderr  # the planted fault: all rows in memory
