"""A published table of percentages, replayed: what votes can stand behind it, and what they would show."""

from __future__ import annotations

from evalkit.sections import _format
from evalkit.sections._blocks import Block, Column, Figure, Number, Paragraph, Section, Table
from evalkit.sections._chart import Mark, Scale, bars
from evalkit.sections._study import Facts, read_facts
from evalkit.spec.study import NEITHER, TIE
from evalkit.stats.estimate import Estimate
from evalkit.stats.power import decisive_votes_needed, smallest_detectable_share, votes_needed
from evalkit.stats.proportion import naive_preference, sign_test, trinomial_test, wilson
from evalkit.stats.table import ColumnCheck, Fit, check_column
from evalkit.store.run import Run

BOUND = 2000
SHOWN = 8
NAIVE = (
    "Every interval and p here takes each vote as independent (naive): the table tells neither prompts nor raters. "
    "Votes on one prompt or by one rater are not independent, so the truth is less sure than this."
)


def section(run: Run) -> Section | None:
    """The reconstruction; None where the study asks raters of its own, or has no published table."""
    facts = read_facts(run)
    published = facts.study.published
    if published is None or facts.study.voting is not None:
        return None
    checks = {question: check_column(_column(facts, question), bound=BOUND) for question in published.tables}
    exact = [question for question, check in checks.items() if check.adds_up and check.fits]
    if not exact:
        return None
    first, fit = exact[0], checks[exact[0]].fits[0]
    return Section(
        name="reconstruction",
        title=f"Reconstruction: {_title(facts, first, checks[first])}",
        conclusion=_conclusion(facts, first, checks[first], fit),
        blocks=(
            *(_figure(facts, question, checks[question].fits[0]) for question in exact),
            _sizes(facts, checks),
            _wider(facts, first, fit),
            *_impossible(facts, checks),
            Paragraph("What not to conclude", _cautions(facts, fit)),
        ),
        numbers=_numbers(facts, first, fit),
    )


def _column(facts: Facts, question: str) -> list[float]:
    """The published shares, systems first, on par and neither after them."""
    table = facts.study.published.tables[question] if facts.study.published else {}
    return [table[answer] for answer in _answers(facts, question)]


def _answers(facts: Facts, question: str) -> list[str]:
    table = facts.study.published.tables[question] if facts.study.published else {}
    systems = [name for name in facts.systems if name in table]
    return [*systems, *(answer for answer in (TIE, NEITHER) if answer in table)]


def _title(facts: Facts, question: str, check: ColumnCheck) -> str:
    low = [fit.n for fit in check.fits if fit.p is not None and fit.p < 0.05]
    if low and low[0] == check.fits[0].n:
        return f"{facts.question(question).lower()} shows a preference at every number of votes"
    return f"{facts.question(question).lower()} shows no preference at the smallest number of votes that fits"


def _conclusion(facts: Facts, question: str, check: ColumnCheck, fit: Fit) -> str:
    leader = facts.label(_answers(facts, question)[0 if fit.counts[0] >= fit.counts[1] else 1])
    sizes = [f"p = {_p(other.p)} at {other.n}" for other in check.fits[1:4]]
    share = wilson(max(fit.counts[:2]), sum(fit.counts[:2]))
    return (
        "The source gives percentages and no number of votes. The smallest that fits "
        f"{facts.question(question).lower()} is {fit.n}: {' / '.join(map(str, fit.counts))}. Then {leader} would win "
        f"{_format.share(share, n=True)} decisive votes, p = {_p(fit.p)} were every vote independent; with more votes "
        f"behind the same percentages {_format.listed(sizes)}. Which of these it was, the table does not say."
    )


def _figure(facts: Facts, question: str, fit: Fit) -> Figure:
    answers = _answers(facts, question)
    shares = [wilson(k, fit.n) for k in fit.counts]
    marks = [
        Mark(facts.label(answer), _format.share(share), share, facts.colour(answer))
        for answer, share in zip(answers, shares, strict=True)
    ]
    columns = (
        Column("Answer", align="left"),
        Column("votes", "reconstructed"),
        Column("share", "95 % interval, naive"),
    )
    rows = tuple(
        (facts.label(answer), _format.count(k), _format.share(share))
        for answer, k, share in zip(answers, fit.counts, shares, strict=True)
    )
    title = f"{facts.question(question)}: reconstruction at the smallest n, {fit.n}"
    said = ". ".join(f"{mark.label} {mark.text}" for mark in marks)
    top = max(share.high or 0.0 for share in shares)
    return Figure(
        name=f"reconstruction-{question}",
        title=title,
        subtitle="Not the votes themselves: the fewest that round to the published percentages. Line: naive interval.",
        panels=(bars(facts.question(question), marks, Scale(0.0, min(1.0, top * 1.02), "share of votes", ".0%")),),
        alt=f"{title}. {said}.",
        table=Table(title, columns, rows, NAIVE),
        open=True,
    )


def _sizes(facts: Facts, checks: dict[str, ColumnCheck]) -> Table:
    """p at each of the smallest numbers of votes that fit, a column a question."""
    columns = (
        Column("Question", align="left"),
        Column("votes", "n"),
        Column("counts", align="left"),
        Column("unaccounted for"),
        Column("sign test, naive", "p"),
    )
    rows = tuple(
        (
            facts.question(question),
            _format.count(fit.n),
            " / ".join(map(str, fit.counts)),
            _format.count(fit.unaccounted),
            " to ".join(dict.fromkeys(map(_p, (fit.p_low, fit.p_high)))),
        )
        for question, check in checks.items()
        for fit in check.fits[:SHOWN]
    )
    note = f"The first {SHOWN} numbers of votes up to {BOUND:,} that round to the published percentages. {NAIVE}"
    return Table("Numbers of votes that can stand behind the table", columns, rows, note)


def _wider(facts: Facts, question: str, fit: Fit) -> Table:
    """The same counts in other measures, and what a study needs to see such an effect."""
    wins, losses, ties = fit.counts[:3]
    decisive = wins + losses
    seen = smallest_detectable_share(decisive)
    needed = decisive_votes_needed(wins / decisive)
    rows = (
        ("Net preference, naive", _format.points(naive_preference(wins, losses, fit.n))),
        ("Sign test with mid-p, naive", _format.p_text(sign_test(wins, losses, mid_p=True).p)),
        ("Trinomial test (keeps the ties), naive", _format.p_text(trinomial_test(wins, losses, ties).p)),
        ("Smallest share that so many decisive votes show (power .80)", _format.percent(seen) if seen else "none"),
        ("Decisive votes needed to show this share (power .80)", _format.count(needed)),
        ("That is, votes in all", _format.count(votes_needed(needed, decisive / fit.n))),
    )
    columns = (Column("Measure", align="left"), Column("value"))
    return Table(f"{facts.question(question)} at the smallest n, {fit.n}", columns, rows, NAIVE)


def _impossible(facts: Facts, checks: dict[str, ColumnCheck]) -> list[Block]:
    """What is wrong with the columns that do not add up."""
    points = []
    for question, check in checks.items():
        if check.adds_up:
            continue
        repaired = min((repair.fit.n for repair in check.repairs), default=None)
        fits = f"no number of votes below {check.fits[0].n} fits it" if check.fits else f"none up to {BOUND:,} fits it"
        more = f"; with any one cell misprinted, none below {repaired}" if repaired else ""
        points.append(f"{facts.question(question)} adds up to {check.total:g} %: {fits}{more}.")
    return [Paragraph("What cannot be right as it stands", tuple(points))] if points else []


def _p(p: float | None) -> str:
    """Three decimals: what matters here is on which side of .05 it falls."""
    return "–" if p is None else "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def _cautions(facts: Facts, fit: Fit) -> tuple[str, ...]:
    return (
        f"These are not {fit.n} votes that somebody cast: they are the fewest that fit. The source tells no number.",
        "That no preference is shown does not make the systems equal: parity needs a test of its own, and more votes.",
        "The sample is the prompts as much as the votes: few prompts, each judged often, cannot speak of other ones.",
        *([facts.study.published.note] if facts.study.published and facts.study.published.note else []),
    )


def _numbers(facts: Facts, question: str, fit: Fit) -> dict[str, Number]:
    answers = _answers(facts, question)
    shares: dict[str, Number] = {
        f"{question}/reconstruction at n = {fit.n}/share/{answer}": wilson(k, fit.n)
        for answer, k in zip(answers, fit.counts, strict=True)
    }
    decisive: Estimate = wilson(fit.counts[0], fit.counts[0] + fit.counts[1])
    shares[f"{question}/reconstruction at n = {fit.n}/decisive share"] = decisive
    shares[f"{question}/reconstruction at n = {fit.n}/sign test, naive"] = sign_test(fit.counts[0], fit.counts[1])
    return shares
