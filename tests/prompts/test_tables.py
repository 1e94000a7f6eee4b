"""Prompt tables: what people put into them arrives unchanged, or is refused with its line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from evalkit import prompts
from evalkit.errors import SpecError
from evalkit.settings import Settings
from evalkit.spec.catalog import Catalog, Prompt
from evalkit.spec.resolve import Lock, find_prompt_set

ODD = [
    "<script>alert(1)</script> **bold** | pipe",
    "a" * 10_000,
    "مرحبا \u200f بالعالم",
    "苹果在蓝色背景上",
    'quo"ted, comma',
]


def load(path: Path) -> list[Prompt]:
    return prompts.load(find_prompt_set(str(path), Catalog(path.parent), Lock()), Settings(root=path.parent))


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_odd_prompts_arrive_unchanged(checkout: Path, suffix: str) -> None:
    path = checkout / f"odd.{suffix}"
    if suffix == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([["key", "prompt", "lang"], *([f"k{i}", odd, "en"] for i, odd in enumerate(ODD))])
        path.write_text(text.getvalue())
    else:
        path.write_text("\n".join(json.dumps({"prompt": odd}) for odd in ODD))
    assert [prompt.text for prompt in load(path)] == ODD


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", "key,prompt\na,\n", 2),
        ("a.csv", "key,words\na,b\n", 1),
        ("a.csv", "key,prompt\na,b\nc\n", 3),
        ("a.csv", 'key,prompt\na,"b\n', 2),
        ("a.csv", "key,prompt\n../x,b\n", 2),
        ("a.csv", "key,prompt,lang\na,b,english language\n", 2),
        ("a.csv", f"prompt\n{'a' * 20_001}\n", 2),
        ("a.tsv", "key\tprompt\na\n", 2),
        ("a.jsonl", '{"prompt": "x"}\n{"prompt": }\n', 2),
        ("a.jsonl", "[1]\n", 1),
    ],
)
def test_a_faulty_row_is_named(checkout: Path, name: str, content: str, line: int) -> None:
    path = checkout / name
    path.write_text(content)
    with pytest.raises(SpecError) as caught:
        load(path)
    assert caught.value.where == f"{path}:{line}"


@pytest.mark.parametrize("content", ["key,prompt\n", "key,prompt\na,x\na,y\n"])
def test_empty_and_doubled(checkout: Path, content: str) -> None:
    path = checkout / "a.csv"
    path.write_text(content)
    with pytest.raises(SpecError, match=r"empty|twice"):
        load(path)


def test_parallel_prompts_share_their_key(checkout: Path) -> None:
    path = checkout / "a.csv"
    path.write_text("key,prompt,lang\na,an apple,en\na,ein Apfel,de\n")
    assert [(prompt.key, prompt.lang) for prompt in load(path)] == [("a", "en"), ("a", "de")]


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["csv", "tsv", "jsonl"]))
def test_no_bytes_make_a_traceback(checkout: Path, content: bytes, suffix: str) -> None:
    path = checkout / f"fuzz.{suffix}"
    path.write_bytes(b"prompt,key\n" + content)
    try:
        load(path)
    except SpecError as error:
        assert error.what
