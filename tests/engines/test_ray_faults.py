"""The embedded networks on two and four workers, with kills of workers, nodes and the driver: equal SHAs."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from evalkit.engines import ray
from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
from tests.conftest import ROOT
from tests.engines.clusters import kill_a_worker, nodes
from tests.stages.drawing import write_prompts

pytestmark = pytest.mark.slow
SIZE, IMAGES = 3, 6


@pytest.fixture
def study(checkout: Path) -> Path:
    """The embedded pair on seven prompts with six images each: 84 images."""
    for name in ("emoji-nas", "emoji-sd"):
        shutil.copy(ROOT / f"data/models/{name}.yaml", checkout / "data/models")
        (checkout / "data/weights").mkdir(exist_ok=True)
        (checkout / "data/weights" / name).symlink_to(ROOT / "data/weights" / name)
    write_prompts(checkout)
    systems = [{"name": name[6:], "model": name, "sampling": {"steps": 4}} for name in ("emoji-nas", "emoji-sd")]
    text = {"title": "Pair", "systems": systems, "prompts": "words", "images": IMAGES}
    (checkout / "studies/pair.yaml").write_text(yaml.safe_dump(text))
    return checkout


def shas(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("[0-9a-f]*.png")}


def drawn(study, settings, data, engine=None, progress=None):
    """The SHAs of the study's images, drawn into a folder of its own."""
    here = settings.model_copy(update={"threads": 1, "device": "cpu", "data": study / data})
    options = {name: value for name, value in (("engine", engine), ("progress", progress)) if value}
    outcome = generate(resolve("pair", study), here, batch_size=SIZE, **options)
    assert outcome.facts["listed"] == 2 * 7 * IMAGES
    return shas(here.images_dir)


def test_one_process_two_and_four_workers_and_their_deaths(study, settings):
    alone, dead = drawn(study, settings, "alone"), []
    assert len(alone) == 84

    def killing(what, done, total):
        if done > 15 * (len(dead) + 1) and len(dead) < 3:
            dead.append(kill_a_worker())

    with nodes(1, 1):
        assert drawn(study, settings, "two", ray.Cluster(workers=2, gpus=0)) == alone
    with nodes(2, 2) as cluster:
        assert drawn(study, settings, "four", ray.Cluster(workers=4, gpus=0), killing) == alone
        assert len(dead) == 3

        def removing(what, done, total):
            if done > 20 and len(cluster.workers) == 2:
                cluster.remove_node(cluster.workers.pop(), allow_graceful=False)

        assert drawn(study, settings, "node", ray.Cluster(workers=4, gpus=0), removing) == alone
        assert len(cluster.workers) == 1


CODE = """
import pathlib
from evalkit.engines import ray
from evalkit.settings import Settings
from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
root = pathlib.Path({root!r})
settings = Settings(root=root, data=root / "driver", threads=1, device="cpu", _env_file=None)
generate(resolve("pair", root), settings, batch_size={size}, engine=ray.connect({address!r}, 2))
print("finished")
"""


def test_the_driver_is_killed_and_goes_on(study, settings):
    """kill -9 of the command itself, three times while the workers draw; its workers end with it."""
    alone, kills = drawn(study, settings, "alone"), 0
    with nodes(2) as cluster:
        code = CODE.format(root=str(study), size=SIZE, address=cluster.address)
        for wanted in (10, 30, 50, None):
            driver = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
            while wanted and driver.poll() is None and len(list((study / "driver").rglob("[0-9a-f]*.png"))) < wanted:
                time.sleep(0.02)
            if wanted:
                os.kill(driver.pid, signal.SIGKILL)
                kills += driver.wait() == -signal.SIGKILL
            said = driver.communicate()[0]
        assert (kills, said.strip()) == (3, b"finished")
    assert shas(study / "driver" / "images") == alone
