"""The text of a table, from a file or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from evalkit.tables import MAX_CHARACTERS, TableError

STANDARD_INPUT = "-"
MAX_BYTES = 4 * MAX_CHARACTERS


def read_text(source: str) -> str:
    """The text of the file `source`, or of standard input for "-".

    Raises:
        TableError: no such file, too large, or not text (a PDF, a spreadsheet).
    """
    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if source == STANDARD_INPUT else _head(Path(source))
    except OSError as error:
        raise TableError(f"cannot be read: {error.strerror or error}", where=source) from None
    if len(raw) > MAX_BYTES:
        raise TableError(f"larger than {MAX_BYTES // 1_000_000} MB", where=source, hint="cut out the table")
    try:
        return raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        hint = "save the table as text: CSV, Markdown, HTML or LaTeX; or paste it: `evalkit table check -`"
        raise TableError("this is no UTF-8 text", where=source, hint=hint) from None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
