"""The catalogues: every language says everything, with the same gaps to fill in."""

import re
from string import Formatter

import pytest

from app.wording import best_language, languages, wording

OTHERS = [code for code in languages() if code != "en"]


def gaps(text: object) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(str(text)) if name)


def faults(code: str, english: dict, other: dict) -> list[str]:
    found = [f"{code}: {key} missing" for key in english if key not in other]
    found += [f"{code}: {key} unknown" for key in other if key not in english]
    both = [key for key in english if key in other]
    found += [f"{code}: {key} has other gaps" for key in both if gaps(english[key]) != gaps(other[key])]
    found += [f"{code}: {key} has another type" for key in both if type(english[key]) is not type(other[key])]
    lists = [key for key in both if isinstance(english[key], list)]
    return found + [f"{code}: {key} is not as long" for key in lists if len(english[key]) != len(other[key])]


def test_english_is_first_and_arabic_runs_right_to_left():
    assert next(iter(languages())) == "en"
    assert {code: wording(code)["direction"] for code in languages()}["ar"] == "rtl"


@pytest.mark.parametrize("code", OTHERS)
def test_every_language_says_everything(code):
    assert faults(code, wording("en"), wording(code)) == []


def test_the_twin_a_catalogue_with_faults_is_caught():
    broken = {**wording("es"), "count": "{total}", "about_colours": ["Sí"]}
    del broken["next"]
    assert len(faults("es", wording("en"), broken)) == 3


@pytest.mark.parametrize("code", list(languages()))
def test_the_words_are_those_of_the_component(code):
    from app.components.comparison import FOLDER

    source = "".join(path.read_text() for path in FOLDER.glob("*.js"))
    used = set(re.findall(r"\bwords\.(\w+)", source)) | {
        f"report_{w}" for w in ("offensive", "disturbing", "broken", "other")
    }
    assert used and used <= set(wording(code))


def test_the_consent_names_all_that_the_window_tells():
    """A field that window.js sends has a word of the English text; a new one needs a word here and there."""
    from app.components.surround import FOLDER

    sent = set(re.findall(r"^    (\w+): ", (FOLDER / "window.js").read_text(), re.MULTILINE))
    told = {
        "width": "size of your window", "height": "size of your window", "pixel_ratio": "pixel ratio",
        "dark": "dark colours", "touch": "touch",
    }  # fmt: skip
    assert sent == set(told)
    assert all(word in wording("en")["consent_stored"] for word in [*told.values(), "comments", "report"])


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [(("es-MX",), "es"), ((None, "zh-Hant", "ar"), "zh"), (("tlh",), "en"), ((), "en"), (("../../x", "AR"), "ar")],
)
def test_the_best_language_there_is(wishes, expected):
    assert best_language(*wishes) == expected
