"""Scores and translations by Ray's workers: the same numbers and texts as by one process; and all of it in a bucket."""

from __future__ import annotations

import pytest

from evalkit.engines import ray
from evalkit.stages.generate import generate
from evalkit.stages.score import score
from evalkit.stages.translate import translate
from evalkit.store.run import Run
from tests.engines.clusters import kill_a_worker, nodes
from tests.stages.drawing import stored
from tests.stages.scoring import CLIP, drawn_study, reference_folder
from tests.stages.test_translate import study  # noqa: F401
from tests.store.buckets import bucket, in_bucket  # noqa: F401
from tests.translation_checkpoints import write_nllb

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workers():
    with nodes(1, 1):
        yield ray.Cluster(workers=2, gpus=0)


def test_scores_are_the_same_with_a_worker_killed(settings, workers):
    here = settings.model_copy(update={"threads": 1, "device": "cpu"})
    there = here.model_copy(update={"data": settings.root / "there"})
    named = [CLIP, "fd_lite0"]
    resolved, dead = drawn_study(here, metrics=named, images=4, reference=reference_folder(here)), []
    drawn_study(there, metrics=named, images=4, reference=reference_folder(here))

    def killing(what, done, total):
        if what.startswith("features") and not dead:
            dead.append(kill_a_worker())

    score(resolved, here)
    score(resolved, there, engine=workers, progress=killing)
    assert dead
    alone, many = (Run(one.runs_dir / resolved.run_name).read_json("metrics.json") for one in (here, there))
    assert alone["values"] == many["values"] and alone["comparisons"] == many["comparisons"]
    assert not list((there.runs_dir / resolved.run_name / "features").glob("*part*"))


def test_translations_are_the_same_and_in_the_same_order(study, settings, workers):  # noqa: F811
    from evalkit.spec.resolve import resolve

    write_nllb(study / "nllb")
    table = study / "data/prompts/spoken.csv"
    translate(resolve("trial", study), settings, model="nllb")
    alone = table.read_text(encoding="utf-8")
    table.unlink()
    translate(resolve("trial", study), settings, model="nllb", engine=workers)
    assert table.read_text(encoding="utf-8") == alone


def test_workers_write_into_a_bucket(settings, bucket):  # noqa: F811
    here = settings.model_copy(update={"threads": 1})
    there = in_bucket(here, bucket)
    resolved = drawn_study(here, images=3)
    with nodes(1, 1):  # of this test's own: workers inherit the bucket's address
        engine = ray.Cluster(workers=2, gpus=0)
        assert generate(resolved, there, engine=engine).facts["listed"] == 72
        score(resolved, there, engine=engine)
    score(resolved, here)
    on_disk = stored(here.images_dir)
    assert {name: (there.images_dir / name[:2] / name).read_bytes() for name in on_disk} == on_disk
    alone, many = (Run(one.runs_dir / resolved.run_name).read_json("metrics.json") for one in (here, there))
    assert alone["values"] == many["values"]
