"""UniGenBench as a parallel set: our own rows in its layout, and the real files where they are."""

import csv
import json

import pytest

from evalkit import prompts
from evalkit.errors import SpecError, UnavailableError
from evalkit.settings import Settings
from evalkit.spec.catalog import Catalog
from tests.conftest import ROOT

OURS = {
    "en": ["two owls playing chess, “night”", "a teapot\nwith the word TEA, in red"],
    "zh": ["两只猫头鹰在下棋，“夜晚”", "一个写着红色“茶”字的茶壶"],
}


def write(folder, lacking=()):
    folder.mkdir(parents=True, exist_ok=True)
    for lang, texts in OURS.items():
        with (folder / f"test_prompts_{lang}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["index", f"prompt_{lang}", f"sub_dims_{lang}"])
            told = {"Primary Categories": "Art"} if lang == "en" else {"一级垂类": "艺术"}
            writer.writerows(
                [n, text, json.dumps(told, ensure_ascii=False)]
                for n, text in enumerate(texts)
                if (n, lang) not in lacking
            )


def load(settings, count):
    prompt_set = Catalog(ROOT).prompt_set("unigenbench").model_copy(update={"count": count})
    return prompts.load(prompt_set, settings)


def test_our_own_rows_in_its_layout(checkout, tmp_path):
    write(tmp_path / "bench")
    found = load(Settings(root=checkout, unigenbench=tmp_path / "bench", _env_file=None), 4)
    assert [(p.key, p.lang) for p in found] == [(f"unigenbench-000{n}", lang) for lang in ("en", "zh") for n in (0, 1)]
    assert [p.text for p in found] == [*OURS["en"], *OURS["zh"]] and {p.category for p in found} == {"Art"}
    assert {(p.lang, p.source) for p in found} == {("en", "original"), ("zh", "parallel")}


def test_what_is_not_parallel_or_not_there_says_so(checkout, tmp_path):
    write(tmp_path / "bench", lacking={(1, "zh")})
    with pytest.raises(SpecError, match="index 1 is in one language only"):
        load(Settings(root=checkout, unigenbench=tmp_path / "bench", _env_file=None), 4)
    with pytest.raises(UnavailableError) as caught:
        load(Settings(root=checkout, _env_file=None), 4)
    assert "EVALKIT_UNIGENBENCH" in caught.value.hint


def test_the_real_files(checkout, shared_data):
    if not (shared_data / "unigenbench").is_dir():
        pytest.skip("UniGenBench is not beside this checkout")
    found = load(Settings(root=checkout, unigenbench=shared_data / "unigenbench", _env_file=None), 1200)
    assert len({prompt.key for prompt in found}) == 600
