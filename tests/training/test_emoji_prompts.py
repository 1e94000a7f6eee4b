"""The prompt set: what it says of seen and held-out combinations is true, and the languages are parallel."""

import csv
from collections import Counter
from pathlib import Path

from evalkit.training import vocabulary
from evalkit.training.vocabulary import COLOUR_NAMES, HELD_OUT_TEMPLATES, KINDS, Scene

PATH = Path(__file__).parents[2] / "data" / "prompts" / "emoji.csv"
LANGUAGES = {"en", "es", "fr", "de", "pt", "zh", "ja", "ko", "ar", "hi"}
Row = dict[str, str]


def mislabelled(rows: list[Row]) -> list[str]:
    """The check: keys of English rows whose challenge is not what the vocabulary says of their prompt."""
    wrong = []
    for row in rows:
        if row["lang"] == "en" and row["challenge"] != _true_challenge(row["prompt"]):
            wrong.append(row["key"])
    return wrong


def test_labels_are_true_and_a_planted_false_one_is_seen() -> None:
    rows = _rows()
    assert mislabelled(rows) == []
    held_out = next(row for row in rows if row["challenge"] == "Held-out combination")
    assert mislabelled([held_out | {"challenge": "Seen combination"}]) == [held_out["key"]]


def test_languages_are_parallel_and_prompts_differ() -> None:
    rows = _rows()
    assert {row["lang"] for row in rows} == LANGUAGES and len(rows) >= 200
    by_key = Counter(row["key"] for row in rows)
    assert set(by_key.values()) == {1, len(LANGUAGES)}
    assert len({(row["key"], row["lang"]) for row in rows}) == len(rows)
    assert len({(row["lang"], row["prompt"]) for row in rows}) == len(rows)


def test_the_english_part_stands_alone() -> None:
    english = [row for row in _rows() if row["lang"] == "en"]
    assert len(english) >= 60
    assert {row["category"] for row in english} == {kind.category for kind in KINDS}
    assert len({row["challenge"] for row in english}) == 3


def _true_challenge(prompt: str) -> str:
    for scene in vocabulary.scenes("all"):
        if prompt == vocabulary.canonical(scene):
            return "Held-out combination" if vocabulary.held_out(scene) else "Seen combination"
        if prompt in (_held_out_wording(template, scene) for template in HELD_OUT_TEMPLATES):
            return "Held-out template"
    return "not a scene"


def _held_out_wording(template: str, scene: Scene) -> str:
    return vocabulary.caption(template, KINDS[scene.kind].name, COLOUR_NAMES[scene.colour])


def _rows() -> list[Row]:
    with PATH.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
