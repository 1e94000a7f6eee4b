"""The commands of `evalkit table`: published tables."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.options import AsJson, shown
from evalkit.outcome import Outcome

table_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Published tables of percentages.")


@table_app.callback()
def _table() -> None:
    """Published tables of percentages."""


@table_app.command("check")
@shown
def check(
    table: Annotated[
        str, typer.Argument(metavar="FILE|-", help="Markdown, HTML, LaTeX, CSV or text; - is what you paste")
    ],
    tie: Annotated[str | None, typer.Option(help='the row of "on par"; "" if there is none')] = None,
    neither: Annotated[str | None, typer.Option(help='the row of "neither"; "" if there is none')] = None,
    unit: Annotated[str | None, typer.Option(help="percent, fraction or count; default: found out")] = None,
    decimals: Annotated[int | None, typer.Option(min=0, max=6, help="of the percentages; default: as printed")] = None,
    max_n: Annotated[int, typer.Option(min=1, max=10_000, help="the largest number of votes to try")] = 2000,
    as_json: AsJson = False,
) -> Outcome:
    """Which numbers of votes can stand behind a published table, and what it can and cannot claim.

    \b
    Examples: evalkit table check published.md
              xclip -o | evalkit table check - --tie "Same" --json
    """
    from evalkit.registry import unknown
    from evalkit.stages.table_check import table_check as stage
    from evalkit.tables.shares import UNITS, Reading

    known = next((name for name in UNITS if name == unit), None)
    if unit is not None and known is None:
        raise unknown("unit", unit, UNITS)
    return stage(table, reading=Reading(tie, neither, known, decimals), max_n=max_n)
