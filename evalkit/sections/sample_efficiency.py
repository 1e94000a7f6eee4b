"""Quality against steps and against seconds: are fewer steps as good as more?"""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Number, Paragraph, Section, Table
from evalkit.sections._curves import Line, cost_curves
from evalkit.sections._efficiency import Curve, Verdict, curves, verdicts
from evalkit.sections._scores import Scores, read_scores
from evalkit.sections._study import OKABE_ITO, Facts, read_facts
from evalkit.store.run import Run

TIMES = (
    "Seconds per image are those of the machine that drew them, named under Methods, in batches and with all that one "
    "image costs (text, denoising, decoding); batches of a busy machine spread them. evalkit bench measures speed."
)


def section(run: Run) -> Section | None:
    """Quality against cost; None where no model was scored at two step counts."""
    facts, scores = read_facts(run), read_scores(run)
    if scores is None:
        return None
    found, tested = curves(run, scores, facts), verdicts(run, scores, facts)
    if not found:
        return None
    return Section(
        name="sample_efficiency",
        title=_title(found, tested, facts),
        conclusion=" ".join(_said(verdict, facts) for verdict in tested) or _range(found, scores),
        blocks=(*_claims(tested, facts), *_figures(found, scores, facts), Paragraph(TIMES)),
        numbers=_numbers(found, tested),
    )


def _title(found: list[Curve], tested: list[Verdict], facts: Facts) -> str:
    if not tested:
        models = list(dict.fromkeys(curve.model for curve in found))
        return f"Quality against steps: {_format.listed(models)}"
    shown = [verdict for verdict in tested if verdict.equivalent]
    if len(tested) > 1:
        return f"{len(shown)} of {len(tested)} claims that fewer steps are as good were shown"
    (verdict,) = tested
    pair = f"{facts.label(verdict.claim.system)} as good as {facts.label(verdict.claim.as_good_as)}"
    return f"{pair}: {'shown' if shown else 'not shown'}, by {verdict.claim.metric} within ±{verdict.claim.margin:g}"


def _said(verdict: Verdict, facts: Facts) -> str:
    """The claim as one sentence with its numbers."""
    claim, found = verdict.claim, verdict.difference
    pair = f"{facts.label(claim.system)} minus {facts.label(claim.as_good_as)}"
    if verdict.equivalent is None:
        return f"{claim.metric}, {pair}: no conclusion is possible; {found.note or 'there is no interval'}."
    answer = "was shown" if verdict.equivalent else "was not shown (which is not the same as a difference)"
    p = f", {_format.p_text(verdict.p)}" if verdict.p is not None else ""
    return (
        f"Parity within ±{claim.margin:g} by {claim.metric} {answer}: {pair} is "
        f"{_format.measure(found, signed=True)}, n = {_format.count(found.n)}{p}."
    )


def _range(found: list[Curve], scores: Scores) -> str:
    curve = found[0]
    first, last = curve.points[0], curve.points[-1]
    fewest = _format.plural(first.steps, "step")
    return (
        f"{scores.headed(curve.metric)} of {curve.model}: {_format.measure(first.quality)} at {fewest} and "
        f"{_format.measure(last.quality)} at {last.steps}, n = {_format.count(last.quality.n)}."
    )


def _claims(tested: list[Verdict], facts: Facts) -> list[Block]:
    """The planned tests of parity, with their margins."""
    if not tested:
        return []
    columns = (
        Column("Claim", align="left"),
        Column("Metric", align="left"),
        Column("margin"),
        Column("difference", "interval"),
        Column("n"),
        Column("parity", "p"),
        Column("Parity", align="left"),
    )
    words = {True: "shown", False: "not shown", None: "no test"}
    rows = tuple(
        (
            f"{facts.label(v.claim.system)} as good as {facts.label(v.claim.as_good_as)}",
            v.claim.metric,
            f"±{v.claim.margin:g}",
            _format.measure(v.difference, signed=True) if v.difference.value is not None else "no value",
            _format.count(v.difference.n),
            _format.p_value(v.p),
            words[v.equivalent],
        )
        for v in tested
    )
    methods = (f"{_format.sentence(method)}." for method in dict.fromkeys(v.difference.method for v in tested))
    note = f"Margins were fixed in the study file. A small p shows parity. {' '.join(methods)} "
    return [Table("Fewer steps as good as more", columns, rows, note + _format.notes([v.difference for v in tested]))]


def _figures(found: list[Curve], scores: Scores, facts: Facts) -> list[Block]:
    return [
        _figure(metric, signature, [c for c in found if (c.metric, c.signature) == (metric, signature)], scores, facts)
        for metric, signature in dict.fromkeys((curve.metric, curve.signature) for curve in found)
    ]


def _figure(metric: str, signature: str, found: list[Curve], scores: Scores, facts: Facts) -> Figure:
    steps = sorted({point.steps for curve in found for point in curve.points})
    by_steps = [_line(place, curve, by_seconds=False) for place, curve in enumerate(found)]
    by_seconds = [line for place, curve in enumerate(found) if (line := _line(place, curve, by_seconds=True)).points]
    unit = scores.unit(metric)
    panels = [cost_curves("against steps", by_steps, "denoising steps", unit, steps)]
    if by_seconds:
        panels.append(cost_curves("against seconds", by_seconds, "seconds per image", unit))
    return Figure(
        name=f"efficiency-{metric}",
        title=f"{scores.headed(metric)}: {_spread(found)}",
        subtitle=f"{unit}, {facts.confidence} interval where one is valid; logarithmic costs. Signature: {signature}",
        panels=tuple(panels),
        alt=" ".join(
            f"{curve.model}, {point.steps} steps: {_format.measure(point.quality)}."
            for curve in found
            for point in curve.points
        ),
        table=_table(metric, found, scores, facts),
    )


def _line(place: int, curve: Curve, *, by_seconds: bool) -> Line:
    """The curve against steps or seconds, cheapest first; points whose seconds are not known are left out."""
    pairs = [(point.seconds.value if by_seconds else float(point.steps), point.quality) for point in curve.points]
    known = sorted(((cost, quality) for cost, quality in pairs if cost), key=lambda pair: pair[0])
    return Line(curve.model, OKABE_ITO[place % len(OKABE_ITO)], tuple(known))


def _spread(found: list[Curve]) -> str:
    """What lies between the fewest and the most steps of each model."""
    said = []
    for curve in found:
        first, last = curve.points[0], curve.points[-1]
        bare = [f"{point.quality.value:.3g}" for point in (first, last)]
        said.append(f"{curve.model} {bare[0]} at {_format.plural(first.steps, 'step')}, {bare[1]} at {last.steps}")
    return "; ".join(said)


def _table(metric: str, found: list[Curve], scores: Scores, facts: Facts) -> Table:
    columns = (
        Column("Model", align="left"),
        Column("steps"),
        Column("per image", "seconds"),
        Column(scores.headed(metric), f"{facts.confidence} interval"),
        Column("images", "n"),
    )
    points = [(curve, point) for curve in found for point in curve.points]
    rows = tuple(
        (
            curve.model,
            str(point.steps),
            _format.measure(point.seconds) if point.seconds.value is not None else "–",
            _format.measure(point.quality),
            _format.count(point.quality.n),
        )
        for curve, point in points
    )
    note = _format.notes([estimate for _, point in points for estimate in (point.quality, point.seconds)])
    return Table(f"{metric} against steps and seconds", columns, rows, note)


def _numbers(found: list[Curve], tested: list[Verdict]) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for curve in found:
        numbers |= {f"{curve.metric}/{point.system}": point.quality for point in curve.points}
        numbers |= {f"seconds/{point.system}": point.seconds for point in curve.points}
    return numbers | {f"{v.claim.metric}/{v.claim.system}-{v.claim.as_good_as}": v.difference for v in tested}
