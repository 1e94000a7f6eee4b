"""kill -9 at random moments, then the same command again: the same bytes as those of an undisturbed run."""

import hashlib
import random
import signal
import subprocess
import sys
import time

import pytest

from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
from evalkit.store.images import image_path
from tests.checkpoints import write_decidiffusion, write_stable_diffusion
from tests.conftest import ROOT
from tests.stages.drawing import procedural, stored, write_study

CODE = """
import pathlib, sys
from evalkit.settings import Settings
from evalkit.spec.resolve import resolve
from evalkit.stages.generate import generate
root = pathlib.Path({root!r})
settings = Settings(root=root, data=root / {data!r}, threads=1, device="cpu", _env_file=None)
generate(resolve("trial", root), settings, batch_size=3)
print("finished")
"""


def shas(images_dir):
    return {name: hashlib.sha256(content).hexdigest() for name, content in stored(images_dir).items()}


def run(checkout, data, kill_after=None):
    """Runs generate in a process of its own; kills it after so many images. Whether it finished."""
    code = CODE.format(root=str(checkout), data=data)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    images = checkout / data / "images"
    while kill_after is not None and process.poll() is None:
        if len(stored_names(images)) >= kill_after:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    out, err = process.communicate()
    assert process.returncode in (0, -9), err.decode()
    return b"finished" in out


def stored_names(images):
    return list(images.rglob("[0-9a-f]*.png")) if images.exists() else []


def kill_and_go_on(checkout, data, total, kills):
    """Kills at random moments, each time further on; the last process is left alone."""
    moments = sorted(random.Random(1).sample(range(total // 2), kills))
    finished = [run(checkout, data, kill_after=moment) for moment in moments]
    assert not any(finished)
    assert run(checkout, data)


def test_killed_runs_of_shapes_end_with_the_same_bytes(checkout, settings):
    procedural(checkout, images=4, sampling={"width": 512, "height": 512})
    kill_and_go_on(checkout, "killed", 56, kills=3)
    assert run(checkout, "undisturbed")
    assert len(shas(checkout / "undisturbed/images")) == 56
    assert shas(checkout / "killed/images") == shas(checkout / "undisturbed/images")


def test_killed_runs_of_two_networks_end_with_the_same_bytes(checkout, settings):
    write_stable_diffusion(checkout / "sd")
    write_decidiffusion(checkout / "deci")
    cards = {"sd": {"source": "sd"}, "deci": {"source": "deci", "loader": "decidiffusion", "size_multiple": 32}}
    write_study(checkout, cards=cards)
    kill_and_go_on(checkout, "killed", 14, kills=1)
    here = settings.model_copy(update={"threads": 1, "device": "cpu"})
    generate(resolve("trial", checkout), here, batch_size=3)
    assert len(shas(here.images_dir)) == 14
    assert shas(checkout / "killed/images") == shas(here.images_dir)


@pytest.mark.parametrize("fault", ["a torn image", "another seed"])
def test_the_twin_a_fault_in_the_resumed_run_is_seen(checkout, settings, fault):
    """Planted: an image cut short and taken for done; an image drawn from another seed."""
    resolved = procedural(checkout)
    generate(resolved, settings)
    undisturbed = shas(settings.images_dir)
    path = next(settings.images_dir.rglob("[0-9a-f]*.png"))
    if fault == "a torn image":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        other = next(other for other in settings.images_dir.rglob("[0-9a-f]*.png") if other != path)
        path.write_bytes(other.read_bytes())
    assert shas(settings.images_dir) != undisturbed


def test_half_written_files_are_never_taken_for_images(checkout, settings):
    resolved = procedural(checkout)
    generate(resolved, settings)
    path = image_path(settings.images_dir, next(settings.images_dir.rglob("[0-9a-f]*.png")).stem)
    content = path.read_bytes()
    path.unlink()
    path.with_name(f".{path.name}.1234.tmp").write_bytes(content[: len(content) // 2])
    generate(resolve("trial", checkout), settings)
    assert path.read_bytes() == content
