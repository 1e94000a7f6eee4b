"""Prompts and titles are foreign text: they are shown as they are, and do nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evalkit.sections import _csv, _latex, _render
from evalkit.stages.report import compose
from evalkit.store.run import Run
from tests.sections.simulated_run import Plan, simulate_run

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(2)">',
    "| a | pipe | and `code` and **bold** and [a link](javascript:alert(3)) ![x](http://example.org/x.png)",
    "تفاحة حمراء على خلفية زرقاء",
    "left\u202eright-to-left override without an end",
    "</style><style>body{display:none}</style>",
    "x" * 10_000,
    "{{ 7 * 7 }} {% raw %} <<< 1 >>>",
    "# heading\n\n---\n- list\n```\nfence",
)
SECRETS = ("onerror=", "<script", "<style>body", "javascript:")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    plan = Plan(
        prompts=len(HOSTILE),
        images=1,
        raters=3,
        prompt_texts=HOSTILE,
        title="<b>Title</b> | & <script>alert(4)</script>",
        titles=('<i>first</i> & co | "x"', "second </svg><script>alert(5)</script>"),
    )
    run: Run = simulate_run(tmp_path_factory.mktemp("runs") / "simulated-ab12cd34", plan)
    found: dict[str, Any] = compose(run)
    return found


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def faults(page: str) -> Iterator[str]:
    """What a page holds that can act, or that it must fetch."""
    for tag, attributes in Elements(page).found:
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form"):
            yield f"<{tag}>"
        for name, value in attributes.items():
            if name.startswith("on"):
                yield name
            if name in ("src", "href") and not (value or "").startswith(("data:image/webp", "#")):
                yield f"{name}={value}"


def test_the_page_holds_nothing_that_acts_or_fetches(record: dict[str, Any]) -> None:
    page = _render.page(record, {})
    assert list(faults(page)) == []
    assert HOSTILE[0] in Elements(page).text, "the prompt is shown as it was written"


def test_the_twin_a_page_without_escaping_is_caught(record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    escaping: Callable[..., Any] = _render.environment
    monkeypatch.setattr(_render, "environment", lambda **kinds: escaping(**kinds | {"autoescape": False}))
    assert {"<script>", "onerror"} <= set(faults(_render.page(record, {})))


def rendered_markdown(record: dict[str, Any]) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(_render.markdown(record, {}))


def test_markdown_holds_nothing_that_acts_and_its_tables_stay_whole(record: dict[str, Any]) -> None:
    html = rendered_markdown(record)
    assert [fault for fault in faults(html) if not fault.startswith("src=figures/")] == []
    assert HOSTILE[0] in Elements(html).text and HOSTILE[4] in Elements(html).text
    tables = html.split("<table>")[1:]
    assert len(tables) > 8
    for table in tables:
        widths = {
            row.count("<td") + row.count("<th>") + row.count("<th ")
            for row in table.split("</table>")[0].split("<tr>")[1:]
        }
        assert len(widths) == 1, "a pipe in a cell would add a column"


def test_the_twin_markdown_without_escaping_is_caught(record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_render, "escape_markdown", str)
    assert {"<script>", "onerror"} & set(faults(rendered_markdown(record)))


@given(st.text(max_size=80) | st.text("-=+*_#>|`~[]()!&<\\\\1.)0 ", max_size=12))
@example("0.5")
@example("2.14.1")
@example("1. a list")
@example("12)")
def test_markdown_reads_as_it_was_written(text: str) -> None:
    written = " ".join(text.split())
    shown = Elements(MarkdownIt("commonmark").render(_render.escape_markdown(text))).text.rstrip("\n")
    assert shown.translate(dict.fromkeys(map(ord, "\u200b\u2068\u2069"))) == written.replace(
        "\x00", "\ufffd"
    ).translate(dict.fromkeys(map(ord, "\u200b\u2068\u2069")))


def test_a_foreign_direction_ends_with_its_prompt(record: dict[str, Any]) -> None:
    lines = [line for line in _render.markdown(record, {}).splitlines() if "\u202e" in line]
    assert lines and all(line.startswith("\u2068") and line.endswith("\u2069") for line in lines)


def test_long_prompts_are_cut_and_counted(record: dict[str, Any]) -> None:
    page = _render.page(record, {})
    assert "(10,000 characters in all)" in page and "x" * 1000 not in page


def test_latex_has_no_loose_special_characters(record: dict[str, Any]) -> None:
    assert _latex.escape("50 % & _x_ #1 $ {a} ~ ^ \\") == (
        r"50 \% \& \_x\_ \#1 \$ \{a\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    text = _latex.files(record)["tables.tex"]
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\begin{table}") >= 5


@given(st.text(max_size=60))
def test_any_text_is_text_to_latex(text: str) -> None:
    left = re.sub(r"\\(?:[a-zA-Z]+(?:\{\})?|[&%$#_{}])|\$[^$]*\$|\{.\}|\{\}", "", _latex.escape(text))
    assert not set(left) & set("\\&%$#_^~") and left.count("{") == left.count("}")


def test_a_cell_cannot_be_a_formula_of_a_spreadsheet(record: dict[str, Any]) -> None:
    table = {"title": "t", "columns": [{"title": "a", "unit": "", "group": ""}], "rows": [["=HYPERLINK(1)"], ["+1"]]}
    block = {"kind": "table", **table}
    made = _csv.files({"sections": [{"name": "s", "blocks": [block], "numbers": {}}]})
    assert list(csv.reader(io.StringIO(made["01-s-t.csv"]))) == [["a"], ["'=HYPERLINK(1)"], ["+1"]]


def test_notices_inside_css_cannot_leave_their_string() -> None:
    written = str(_render._css_string(['a"; } body { display: none } /*', "</style>é"]))
    assert written.count('"') == 2 and not set(written[1:-1]) & set(';{}<>/*"')
