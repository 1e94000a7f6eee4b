"""Both systems of the published claim at full size, random weights, from `evalkit generate` to the rater's page.

Minutes of work, 6 GB of disk and about 9 GB of memory: `pytest -m slow tests/test_full_size.py -s`.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml

from evalkit.settings import Settings
from evalkit.spec.resolve import resolve
from evalkit.store.run import Run
from evalkit.voting.visit import Visit
from tests.app.serving import serve
from tests.conftest import ROOT
from tests.count_checkpoint import PUBLISHED, count
from tests.full_size import DECI, DECI_REVISION, SD15, SD15_REVISION, snapshot, write_both

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
STUDY = {
    "title": "One guided step of each",
    "systems": [
        {
            "name": "deci",
            "model": "decidiffusion-v1-0",
            "sampling": {"steps": 1, "guidance": 7.5, "guidance_rescale": 0.7},
        },
        {"name": "sd15", "model": "sd15", "sampling": {"steps": 1, "guidance": 7.5}},
    ],
    "prompts": "words",
    "voting": {"images": 1, "raters": 1},
}


@pytest.fixture
def cache(tmp_path):
    """The hub's cache with both repositories; EVALKIT_FULL_SIZE names one that was written before."""
    if "EVALKIT_FULL_SIZE" in os.environ:
        yield os.environ["EVALKIT_FULL_SIZE"]
        return
    write_both(tmp_path / "hf")
    yield str(tmp_path / "hf")
    shutil.rmtree(tmp_path / "hf")


def test_both_full_size_systems_draw_and_are_shown(checkout, cache, tmp_path):
    for name in ("decidiffusion-v1-0", "sd15"):
        shutil.copy(ROOT / f"data/models/{name}.yaml", checkout / "data/models")
    (checkout / "studies/full.yaml").write_text(yaml.safe_dump(STUDY))
    (checkout / "studies/full.lock.yaml").write_text(yaml.safe_dump({"models": {"sd15": SD15_REVISION}}))
    (checkout / "data/prompts/words.csv").write_text("key,prompt\nw-1,a red apple on a blue plate\n")
    (checkout / "data/prompts/words.yaml").write_text("title: Words\nsource: data/prompts/words.csv\n")
    settings = Settings(root=checkout, device="cpu", _env_file=None)
    environment = settings.environment() | {"HF_HOME": cache, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}

    def evalkit(*words):
        command = [sys.executable, "-m", "evalkit", *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=checkout, env=environment)
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    started = time.perf_counter()
    drawn = evalkit("generate", "full", "--batch-size", "1")
    seconds, peak = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    table = Run(settings.runs_dir / resolve("full", checkout).run_name).read_table("images.parquet", "images")
    assert list(table["system"]) == ["deci", "sd15"] and not table["flagged"].any() and not table["blank"].any()
    assert set(table["width"]) == set(table["height"]) == {512}
    each = ", ".join(f"{row.system} {row.seconds:.0f} s" for row in table.itertuples())
    print(f"\ngenerate: {seconds:.0f} s in all ({each} an image), peak memory {peak:.1f} GiB, {drawn['drawn']} images")
    assert evalkit("vote", "open", "full")["comparisons"] == 1
    [link] = evalkit("vote", "invite", "full")["links"]
    with serve("rater", settings, tmp_path / "app.log") as address, Visit(address, link.split("t=")[1]) as visit:
        visit.consent()
        for side in ("left", "right"):
            picture = requests.get(address + visit.comparison[side], timeout=30)
            assert picture.status_code == 200 and picture.content.startswith(b"\x89PNG")


def test_the_network_is_saved_as_published(cache, tmp_path):
    """Loaded in float16, saved again, and counted by a script that knows nothing of the loader."""
    import torch

    from evalkit.models.unet_nas import load_unet_nas

    source = snapshot(Path(cache), DECI, DECI_REVISION) / "flexible_unet"
    load_unet_nas(source, dtype=torch.float16).save_pretrained(tmp_path / "again")
    file = "diffusion_pytorch_model.safetensors"
    assert count(tmp_path / "again" / file) == PUBLISHED
    assert payload(tmp_path / "again" / file) == payload(source / file)


def payload(path):
    """Digest of each tensor's bytes by name, from the file itself."""
    import hashlib

    head = int.from_bytes(path.open("rb").read(8), "little")
    with path.open("rb") as file:
        entries = json.loads(file.read(8 + head)[8:])
        entries.pop("__metadata__", None)
        found = {}
        for name, entry in entries.items():
            start, end = entry["data_offsets"]
            file.seek(8 + head + start)
            found[name] = hashlib.sha256(file.read(end - start)).hexdigest(), entry["dtype"], entry["shape"]
    return found


def test_stable_diffusion_has_its_published_counts(cache):
    folder = snapshot(Path(cache), SD15, SD15_REVISION)
    unet = count(folder / "unet/diffusion_pytorch_model.fp16.safetensors")
    assert (unet["tensors"], unet["parameters"], unet["bytes"]) == (686, 859_520_964, 2 * 859_520_964)
