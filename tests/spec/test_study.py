"""Study files: every kind of mistake gets what, file:line and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from evalkit.errors import EvalkitError, SpecError
from evalkit.spec.study import Study, load_study, study_names
from tests.conftest import ROOT

GOOD = """\
title: A study
systems:
  - name: one
    model: shapes
    sampling: {steps: 4}
  - name: two
    model: shapes
    sampling:
      steps: 8
prompts: few
voting: {sample: 2}
"""
MISTAKES = [
    ("steps: 8", "step: 8", "unknown key 'systems.1.sampling.step'", 9, "did you mean 'steps'?"),
    ("steps: 8", "steps: -8", "systems.1.sampling.steps", 9, ""),
    ("steps: 8", "steps: many", "systems.1.sampling.steps", 9, ""),
    ("title: A study\n", "", "'title' is missing", 1, "add `title:`"),
    ("voting: {sample: 2}", "voting: {sample: 2, sampel: 3}", "unknown key 'voting.sampel'", 11, "did you mean"),
    ("name: two", "name: one", "two systems have the same name", 1, ""),
    ("name: two", "name: tie", "it is the name of an answer", 6, ""),
    ("name: two", "name: ../two", "systems.1.name", 6, ""),
    ("prompts: few", "prompts: few\nprompts: more", "the key 'prompts' is given twice", 11, ""),
    ("prompts: few", "prompts: &a few\nsummary: *a", "aliases", 10, "write the value out"),
    ("prompts: few", "prompts: [few", "not valid YAML", 11, ""),
    ("voting: {sample: 2}", "voting: {questions: []}", "voting.questions", 11, ""),
    ("voting: {sample: 2}", "analysis: {primary_question: taste}\nvoting: {}", "primary_question 'taste'", 1, ""),
]


def write(folder: Path, text: str) -> Path:
    path = folder / "studies" / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_study_is_read_and_frozen(checkout: Path) -> None:
    study = load_study(write(checkout, GOOD), checkout)
    assert (study.name, study.system("two").sampling.steps, study.prompts.set) == ("x", 8, "few")
    with pytest.raises(Exception, match="frozen"):
        study.title = "other"  # type: ignore[misc]


@pytest.mark.parametrize(("old", "new", "what", "line", "hint"), MISTAKES, ids=[case[2] for case in MISTAKES])
def test_a_mistake_is_named_with_its_line(checkout: Path, old: str, new: str, what: str, line: int, hint: str) -> None:
    path = write(checkout, GOOD.replace(old, new))
    with pytest.raises(SpecError) as caught:
        load_study(path, checkout)
    assert what in caught.value.what
    assert caught.value.where == f"{path}:{line}"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"just a text", b"- a\n- b\n", b"a: !!python/object:os.system {}"]
)
def test_files_that_are_no_studies(checkout: Path, content: bytes) -> None:
    path = checkout / "studies" / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_study(path, checkout)
    assert str(path) in caught.value.where


def test_an_unknown_study_offers_the_nearest(checkout: Path) -> None:
    write(checkout, GOOD).rename(checkout / "studies" / "published.yaml")
    with pytest.raises(SpecError, match="no study named") as caught:
        load_study("publisched", checkout)
    assert caught.value.hint == "did you mean 'published'?"


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=300) | st.text("&*[]{}:,-\n ab", max_size=80))
def test_no_text_makes_a_traceback(checkout: Path, text: str) -> None:
    path = checkout / "studies" / "fuzz.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_study(path, checkout)
    except EvalkitError as error:
        assert error.what and error.where


@pytest.mark.parametrize("name", study_names(ROOT))
def test_every_committed_study_is_sound(name: str) -> None:
    assert isinstance(load_study(name, ROOT), Study)


def test_the_default_study_is_the_published_claim() -> None:
    study = load_study("decidiffusion-vs-sd15", ROOT)
    assert {system.name: system.sampling.steps for system in study.systems} == {"deci-30": 30, "sd15-50": 50}
    assert study.voting is not None and study.published is not None
    assert (study.voting.sample, study.voting.seed, study.voting.images) == (10, 20230913, 3)
    assert (study.prompts.set, study.prompts.sample, study.images) == ("parti", None, 1)
    sums = {question: round(sum(rows.values()), 1) for question, rows in study.published.tables.items()}
    assert sums == {"aesthetics": 100.0, "alignment": 90.1}, "printed as published, never renormalised"
