"""LaTeX tables: the rows of every tabular, or of bare lines `A & 41.1 & 20.8 \\\\`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalkit.tables.grid import MAX_COLUMNS, Grid, grid

BEGIN = re.compile(r"\\begin\{(tabular[xy*]?|tabulary|longtable|array|tblr)\}")
RULES = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|hhline\{[^{}]*\}|c(?:mid)?(?:line|rule)(?:\([^()]*\))?\{[^{}]*\}"
    r"|addlinespace(?:\[[^\[\]]*\])?)"
)
SPAN = re.compile(r"\\multicolumn\s*\{(\d{1,2})\}\s*\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
ROW_SPAN = re.compile(r"\\multirow(?:\[[^\[\]]*\])?\s*\{[^{}]*\}\s*\{[^{}]*\}")
ASIDE = re.compile(r"\\(?:footnote|footnotemark|textsuperscript|tnote|cite[a-z]*)(?:\[[^\[\]]*\])?(?:\{[^{}]*\})?")
COMMAND = re.compile(r"\\[a-zA-Z]+\*?")


def read(text: str) -> Iterator[Grid]:
    """Every tabular; without one, the whole text if it has cells (&) and ends of rows."""
    text = re.sub(r"(?<!\\)%[^\n]*", "", text) if "\\" in text else ""
    bodies = list(_bodies(text))
    if not bodies and "&" in text and "\\\\" in text:
        bodies = [text]
    return (found for body in bodies if (found := _body(body)) is not None)


def _bodies(text: str) -> Iterator[str]:
    """What lies between each \\begin{tabular} and its \\end."""
    found = BEGIN.search(text)
    while found is not None:
        end = text.find(f"\\end{{{found[1]}}}", found.end())
        if end < 0:
            return
        yield text[found.end() : end]
        found = BEGIN.search(text, end)


def _body(body: str) -> Grid | None:
    rows = re.split(r"\\\\(?:\[[^\[\]]*\])?|\\tabularnewline", RULES.sub(" ", body))
    return grid(_cells(row) for row in rows)


def _cells(row: str) -> list[str]:
    cells: list[str] = []
    for cell in re.split(r"(?<!\\)&", row):
        span = SPAN.search(cell)
        cells += [_plain(SPAN.sub(" ", cell))] * (min(int(span[1]), MAX_COLUMNS) if span else 1)
    return cells


def _plain(cell: str) -> str:
    """The text of a cell: commands and braces off, footnotes and raised marks dropped."""
    cell = re.sub(r"\\begin\{[^{}]*\}(?:\{[^{}]*\})*|\\end\{[^{}]*\}", " ", ROW_SPAN.sub(" ", cell))
    cell = ASIDE.sub("", cell)
    cell = re.sub(r"\^\{[^{}]*\}|\^\\?\w+|\^\*", "", cell)
    cell = cell.replace("\\pm", "±").replace("\\%", "%").replace("\\&", "&").replace("\\_", "_").replace("\\#", "#")
    cell = re.sub(r"\\(?:color|cellcolor|textcolor|rowcolor)(?:\[[^\[\]]*\])?\{[^{}]*\}", " ", cell)
    return " ".join(re.sub(r"[{}$~]|\\[,;:! ]", " ", COMMAND.sub(" ", cell)).split())
