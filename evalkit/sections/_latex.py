"""report.json as LaTeX: report.tex compiles as it is, with any engine; tables.tex is what a paper takes in."""

from __future__ import annotations

from typing import Any

from evalkit.sections._render import environment

MARKS = {
    "variable_start_string": "<<<",
    "variable_end_string": ">>>",
    "block_start_string": "<%",
    "block_end_string": "%>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}
TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "√": r"$\surd$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "α": r"$\alpha$",
    "ν": r"$\nu$",
    "κ": r"$\kappa$",
    "µ": r"$\mu$",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "“": "``",
    "”": "''",
    "’": "'",
    "‘": "`",
    "·": r"$\cdot$",
    "[": "{[}",
    "]": "{]}",
}
LATIN = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽžŁłŃńŚśŹźŻżĆćĘęĄąČčĚěŘřŮů"
LONG = 30
"""Characters from which a column of text is set as a paragraph."""


def files(record: dict[str, Any]) -> dict[str, str]:
    """report.tex and the tables.tex that it takes in."""
    names = ("report.tex", "tables.tex")
    made = environment(autoescape=False, trim_blocks=True, lstrip_blocks=True, **MARKS)
    made.filters |= {"tex": escape, "preamble": _columns, "block_tables": _tables}
    return {name: made.get_template(f"{name}.j2").render(report=record).rstrip() + "\n" for name in names}


def as_pdf(svg: str) -> bytes:
    """A drawing for \\includegraphics, in black. Its bytes (a date, the order of fonts) differ from time to time."""
    import vl_convert

    return bytes(vl_convert.svg_to_pdf(svg.replace("currentColor", "#1b1b1b")))


def escape(text: str) -> str:
    r"""Text without LaTeX's special characters; what pdfTeX's fonts lack becomes \glyph{code}{letter}."""
    return "".join(_letter(letter) for letter in " ".join(str(text).split()))


def _letter(letter: str) -> str:
    if letter in TEX:
        return TEX[letter]
    if (letter.isascii() and letter.isprintable()) or letter in LATIN:
        return letter
    return rf"\glyph{{{ord(letter):04X}}}{{{letter if letter.isprintable() else ''}}}"


def _columns(table: dict[str, Any]) -> str:
    """The column specification: numbers right, short text left, long text as paragraphs that share what is left."""
    longest = [
        max([len(column["title"]), *(len(row[place]) for row in table["rows"])])
        for place, column in enumerate(table["columns"])
    ]
    texts = [min(size, 120) for size in longest if size > LONG]
    room = max(0.25, 0.9 - 0.012 * sum(size for size in longest if size <= LONG))
    return "".join(
        rf">{{\raggedright\arraybackslash}}p{{{room * min(size, 120) / sum(texts):.2f}\linewidth}}"
        if size > LONG
        else "l"
        if column["align"] == "left"
        else "r"
        for column, size in zip(table["columns"], longest, strict=True)
    )


def _tables(section: dict[str, Any]) -> list[dict[str, Any]]:
    """The tables of a section, those of its figures too."""
    return [
        block if block["kind"] == "table" else block["table"]
        for block in section["blocks"]
        if block["kind"] in ("table", "figure")
    ]
