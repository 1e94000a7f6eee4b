"""report.json as a page and as Markdown. Everything that is shown is escaped here."""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import jinja2
from markupsafe import Markup

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"


def page(report: dict[str, Any], pictures: Mapping[str, bytes]) -> str:
    """One self-contained HTML file: no script, no network; `pictures` by file name, as WebP."""
    uris = {name: f"data:image/webp;base64,{b64encode(content).decode()}" for name, content in pictures.items()}
    made = environment(autoescape=True)
    css = made.loader.get_source(made, "report.css")[0] if made.loader else ""
    template = made.get_template("report.html.j2")
    return template.render(report=report, pictures=uris, css=Markup(css)) + "\n"


def markdown(report: dict[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The report as Markdown beside figures/ and pictures/."""
    text = environment(autoescape=False).get_template("report.md.j2").render(report=report, pictures=pictures)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def standalone(svg: str) -> str:
    """A drawing as a file of its own: with an ink for light and for dark."""
    ink = "<style>svg{color:#1b1b1b}@media (prefers-color-scheme:dark){svg{color:#e8e8e6}}</style>"
    return svg.replace(">", f">{ink}", 1) + "\n"


def escape_markdown(text: str) -> str:
    """Text that Markdown and the HTML inside it show as it is; foreign directions cannot reach beyond it."""
    text = " ".join(str(text).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", text)
    text = re.sub(r"^([-=])|^(\d+)(?=[.)](\s|$))", lambda mark: f"\\{mark[1]}" if mark[1] else f"{mark[2]}\\", text)
    text = re.sub(r"(https?|ftp|www|mailto)([:.])", r"\1&#8203;\2", text, flags=re.IGNORECASE).replace("@", "&#64;")
    return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}" if _turns_direction(text) else text


def environment(*, autoescape: bool, **marks: Any) -> jinja2.Environment:
    """The templates with what they share; `marks` replaces Jinja's own."""
    loader = jinja2.PackageLoader("evalkit", "templates")
    made = jinja2.Environment(loader=loader, autoescape=autoescape, undefined=jinja2.StrictUndefined, **marks)
    made.filters |= {
        "md": escape_markdown,
        "spans": _spans,
        "groups": lambda columns: any(column["group"] for column in columns),
        "words": lambda name: name.replace("_", " ").capitalize(),
        "css_string": _css_string,
    }
    return made


def _spans(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring columns with one heading."""
    return [{"title": title, "size": len(list(group))} for title, group in groupby(columns, lambda c: c["group"])]


def _css_string(lines: list[str]) -> Markup:
    r"""The lines as one CSS string: everything but letters, digits and spaces as a hexadecimal escape."""
    text = "\n".join(lines)
    escaped = "".join(c if c.isascii() and (c.isalnum() or c == " ") else f"\\{ord(c):x} " for c in text)
    return Markup(f'"{escaped}"')


def _turns_direction(text: str) -> bool:
    return any(unicodedata.bidirectional(letter) not in _LEFT_TO_RIGHT for letter in text)


_LEFT_TO_RIGHT = {"L", "EN", "ES", "ET", "AN", "CS", "NSM", "BN", "WS", "ON", "B", "S", ""}
