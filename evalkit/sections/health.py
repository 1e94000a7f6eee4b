"""Can the automatic distances be trusted here? A panel for each criticism of them, with a sentence and a verdict."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._agreement import people_panel
from evalkit.sections._blocks import Block, Column, Section, Table
from evalkit.sections._health_curve import bias_panel
from evalkit.sections._health_panels import Panel, fragile_panel, memory_panel, read_card
from evalkit.sections._scores import read_scores
from evalkit.sections._study import read_facts
from evalkit.sections._votes import read_votes
from evalkit.stats.health import SIMULATED
from evalkit.store.run import Run

UNKNOWN = "how often each raises a false alarm has not been simulated yet, so nothing is called fine"
WORDS = {
    "fine": "Fine",
    "caution": "Caution",
    "do not use": "Do not use",
    "not assessable": "Not assessable",
}


def section(run: Run) -> Section | None:
    """The health card; None where nothing was scored."""
    facts, scores = read_facts(run), read_scores(run)
    if scores is None or not scores.values:
        return None
    card = read_card(run)
    panels = [fragile_panel(card, facts), bias_panel(card, facts)] if card is not None else []
    panels.append(people_panel(run, scores, read_votes(run, facts), facts))
    panels += [memory_panel(card, facts, run)] if card is not None else []
    blocks: list[Block] = [_overview(panels)]
    for panel in panels:
        blocks += panel.blocks
    return Section(
        name="health",
        title=_title(panels),
        conclusion=" ".join(f"{panel.name}: {WORDS[panel.verdict].lower()}." for panel in panels),
        blocks=tuple(blocks),
        numbers={name: number for panel in panels for name, number in panel.numbers.items()},
    )


def _title(panels: list[Panel]) -> str:
    bad = [panel.name.lower() for panel in panels if panel.verdict == "do not use"]
    wary = [panel.name.lower() for panel in panels if panel.verdict == "caution"]
    open_ = [panel.name.lower() for panel in panels if panel.verdict == "not assessable"]
    if bad:
        return f"Health of the metrics: do not use without a remedy ({_format.listed(bad)})"
    if wary:
        return f"Health of the metrics: caution ({_format.listed(wary)})"
    return "Health of the metrics: " + (f"not all could be assessed ({_format.listed(open_)})" if open_ else "fine")


def _overview(panels: list[Panel]) -> Table:
    rows = tuple((panel.name, WORDS[panel.verdict], panel.sentence) for panel in panels)
    columns = (Column("Criticism", align="left"), Column("Verdict", align="left"), Column("In words", align="left"))
    known = "how often each raises a false alarm, and what it misses, is in tests/simulation/HEALTH.md"
    note = f"Thresholds were frozen before any study; {known if SIMULATED else UNKNOWN}."
    return Table("Health card", columns, rows, note)
