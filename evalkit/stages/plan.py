"""`evalkit plan`: what a voting design can see, what an expected preference needs, and what both cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Any

from evalkit import prompts
from evalkit.errors import SpecError
from evalkit.outcome import Outcome
from evalkit.sections import _format as text
from evalkit.sections import _plan_words as words
from evalkit.sections._power_chart import power_svg
from evalkit.settings import Settings
from evalkit.spec.plan import select_prompts, voting_keys
from evalkit.spec.resolve import ResolvedStudy
from evalkit.spec.rewrite import set_numbers
from evalkit.spec.study import Design as Voting
from evalkit.spec.study import Study
from evalkit.stats import design_search as search
from evalkit.stats.cluster_variance import FEWEST_RATERS
from evalkit.stats.planning import Design, DesignPower, Effects

UNKNOWN_SHARE = 0.6
FEW_PROMPTS = 30


@dataclass(frozen=True)
class Expected:
    """What is expected and assumed. `share`: of decisive votes, for the first system; or else `preference`: net d.

    `ties`: the share of votes that decide nothing (on par, neither). None: as published in the study, else share .6
    and ties .28. The standard deviations are those of prompt, image and rater effects on the logit of a decisive vote.
    """

    share: float | None = None
    preference: float | None = None
    ties: float | None = None
    prompt_sd: float = 0.8
    image_sd: float = 0.4
    rater_sd: float = 0.3


@dataclass(frozen=True)
class Wanted:
    """The design to judge (None: the study's own), the power that is wanted, and how it is found out."""

    prompts: int | None = None
    images: int | None = None
    raters: int | None = None
    votes_per_pair: int | None = None
    comparisons_per_rater: int | None = None
    power: float = 0.8
    alpha: float = 0.05
    seconds_per_comparison: float = 15.0
    runs: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class _Plan:
    """A review of one pair of systems and one question, with what turns votes into hours."""

    review: search.DesignReview
    expected_from: str
    pairs_of_systems: int
    wanted: Wanted

    def hours(self, votes: int) -> float:
        """Rater-hours: one comparison asks every question, and every pair of systems has its own comparisons."""
        return votes * self.pairs_of_systems * self.wanted.seconds_per_comparison / 3600


def plan(
    resolved: ResolvedStudy,
    settings: Settings,
    *,
    expected: Expected,
    wanted: Wanted,
    out: Path | None = None,
    write: bool = False,
) -> Outcome:
    """Judges a study's voting design by the headline method, on simulated studies. `out`: an SVG of the trade.

    `write`: the design that is needed goes into the study file (its SHA changes, so a study that has begun stays).

    Raises:
        SpecError: the study plans no voting, or the numbers do not fit each other.
    """
    study, voting = resolved.study, resolved.study.voting
    if voting is None:
        raise SpecError("the study plans no voting", where=str(resolved.path), hint="add `voting:` to it")
    try:
        found = _plan(_design(resolved, voting, settings, wanted), study, voting, expected, wanted)
    except ValueError as error:
        raise SpecError(str(error), where=str(resolved.path), hint="`evalkit plan --help` has the options") from None
    if out is not None and not found.review.trade:
        raise SpecError("there is no design to draw: too few votes", where=str(out))
    if out is not None:
        _write(power_svg(found.review.trade, wanted.power), out)
    lines = [study.title, *_own_lines(found), *_curve_lines(found), *_needed_lines(found), *_trade_lines(found.review)]
    if write:
        lines.append(_write_design(found, resolved))
    said = "\n".join(lines)
    return Outcome(said, where=out, facts={"study": study.name, **_facts(found)}, warnings=tuple(_notes(found)))


def _write_design(found: _Plan, resolved: ResolvedStudy) -> str:
    """Writes the needed design into the study file."""
    needed = found.review.needed
    if needed is None:
        raise SpecError("no design is large enough: nothing was written", where=str(resolved.path))
    told = f"power {text.percent(found.wanted.power)} for {words.share(found.review.effects)} ({found.expected_from})"
    set_numbers(resolved.path, "voting", _numbers(found), said=told)
    return f"Written into {resolved.path}: the study has a new SHA"


def _design(resolved: ResolvedStudy, voting: Voting, settings: Settings, wanted: Wanted) -> Design:
    """The study's design for one pair of systems and one question, with what `wanted` replaces."""
    count = wanted.prompts or voting.sample
    if count is None:
        count = len(voting_keys(select_prompts(prompts.load(resolved.prompt_set, settings), resolved), resolved))
    images, raters = wanted.images or voting.images, wanted.raters or voting.raters
    each = wanted.comparisons_per_rater or voting.comparisons_per_rater
    pairs = count * images
    shown = pairs if each is None else min(pairs, max(1, each // _pairs(resolved.study)))
    votes_per_pair = wanted.votes_per_pair or round(raters * shown / pairs)
    if votes_per_pair < 1:
        raise ValueError(f"{raters * shown} votes do not reach each of {pairs} pairs: more raters, or fewer prompts")
    return Design(count, raters, votes_per_pair, images)


def _plan(design: Design, study: Study, voting: Voting, expected: Expected, wanted: Wanted) -> _Plan:
    published = _published(study)
    given = expected.share is not None or expected.preference is not None
    review = search.review(
        design,
        _effects(expected, published or Expected(share=UNKNOWN_SHARE, ties=Effects().tie_share)),
        search.Simulation(wanted.seed, wanted.runs, wanted.alpha),
        power=wanted.power,
        tests=_pairs(study) * len(voting.questions),
        sheet=_sheet(wanted),
    )
    return _Plan(review, "given" if given else "published" if published else "assumed", _pairs(study), wanted)


def _sheet(wanted: Wanted) -> search.Sheet:
    usual = search.Sheet()
    return search.Sheet(
        wanted.votes_per_pair or usual.votes_per_pair, wanted.comparisons_per_rater or usual.pairs_per_rater
    )


def _effects(expected: Expected, known: Expected) -> Effects:
    """The effects in logits; what is not expected is taken from what is known."""
    ties = expected.ties if expected.ties is not None else known.ties or 0.0
    share = expected.share if expected.share is not None else known.share or 0.0
    net = (1 - ties) * (2 * share - 1) if expected.preference is None else expected.preference
    if abs(net) < 1e-9:
        raise ValueError("a preference of zero cannot be detected: expect a share other than one half")
    spread = Effects(0.0, expected.prompt_sd, expected.image_sd, expected.rater_sd, ties)
    return search.with_net_preference(spread, net)


def _published(study: Study) -> Expected | None:
    """Share and ties of the published table, if there is one of two systems for the primary question."""
    table = study.published.tables.get(study.analysis.primary_question) if study.published else None
    names = [system.name for system in study.systems]
    if table is None or len(names) != 2 or not set(names) <= set(table):
        return None
    wins, losses = (table[name] for name in names)
    decisive = wins + losses
    return Expected(share=wins / decisive, ties=1 - decisive / 100) if 0 < decisive <= 100 else None


def _write(svg: str, out: Path) -> None:
    try:
        out.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot be written: {error.strerror or error}", where=str(out)) from None


def _own_lines(found: _Plan) -> list[str]:
    review, own, effects = found.review, found.review.own, found.review.effects
    spread = f"prompts {effects.prompt_sd:g}, images {effects.image_sd:g}, raters {effects.rater_sd:g}"
    strict = f"{words.power(review.strict)}, where Holm's procedure over {review.tests} tests begins"
    return [
        f"  expected  {words.share(effects)} ({found.expected_from}), {text.percent(effects.tie_share)} undecided",
        f"  assumed   standard deviations in logits: {spread}",
        f"This design: {words.named(own)} on each question",
        f"  power     {words.power(own)}",
        *([f"            {strict}"] if review.tests > 1 and review.strict.power.value is not None else []),
        f"  interval  {words.width(own)}",
        f"  sees      {words.share(review.detectable.effects) + ' or more' if review.detectable else 'no preference'},"
        f" with power {text.percent(found.wanted.power)}",
        f"  costs     {_hours(own, found)}",
    ]


def _needed_lines(found: _Plan) -> list[str]:
    review, needed = found.review, found.review.needed
    naive = f"{review.independent_decisive:,} decisive, about {text.plural(review.independent_votes, 'vote')}"
    lines = [
        f"Needed for power {text.percent(found.wanted.power)}",
        f"  naive     {naive}: the exact sign test of independent votes",
    ]
    if needed is None:
        return [*lines, f"  clustered more than {search.MOST_VOTES:,} votes"]
    return [
        *lines,
        f"  clustered {words.named(needed)}",
        f"            power {words.power(needed)}; {_hours(needed, found)}",
        *(f"            {line}" for line in _yaml(found)),
    ]


def _trade_lines(review: search.DesignReview) -> list[str]:
    """Prompts down, raters across."""
    raters = sorted({one.design.raters for one in review.trade})
    if not raters:
        return []
    lines = [f"Power at the same cost, about {text.plural(review.own.votes, 'vote')}"]
    lines.append("  prompts" + "".join(f"{f'{number:,} raters':>18}" for number in raters))
    for number in sorted({one.design.prompts for one in review.trade}):
        row = [one for one in review.trade if one.design.prompts == number]
        lines.append(f"  {number:>7,}" + "".join(f"{text.share(one.power):>18}" for one in row))
    return lines


def _curve_lines(found: _Plan) -> list[str]:
    """The power of the study's own design at every share of decisive votes."""
    known = [one for one in found.review.curve if one.power.value is not None]
    if not known:
        return []
    shares = "".join(f"{text.percent(search.decisive_share(one.effects)):>14}" for one in known)
    powers = "".join(f"{text.share(one.power):>14}" for one in known)
    return [
        "Power of this design, by the share of decisive votes for the first system",
        f"  share{shares}",
        f"  power{powers}",
    ]


def _numbers(found: _Plan) -> dict[str, int]:
    """The design that is needed, as the study file has it; empty where none is large enough."""
    if found.review.needed is None:
        return {}
    design, votes = found.review.needed.design, found.review.needed.votes
    each = min(ceil(votes / design.raters), design.prompts) * found.pairs_of_systems
    return {"sample": design.prompts, "images": 1, "raters": design.raters, "comparisons_per_rater": each}


def _yaml(found: _Plan) -> list[str]:
    """What to write in the study file for the design that is needed."""
    numbers = _numbers(found)
    return ["voting:", *(f"  {key}: {number}" for key, number in numbers.items())] if numbers else []


def _notes(found: _Plan) -> list[str]:
    own, notes = found.review.own, []
    if own.design.prompts < FEW_PROMPTS:
        few = text.plural(own.design.prompts, "prompt")
        notes.append(f"{few}: the prompts are the sample size, more votes on the same ones add little")
    if own.design.raters < FEWEST_RATERS:
        notes.append(f"{text.plural(own.design.raters, 'rater')}: nothing can be said of new raters")
    if found.expected_from == "assumed":
        notes.append("the expected preference is a guess: say --share or --preference, and --ties")
    if 0 < own.power.n < found.wanted.runs:
        notes.append(f"so large a design is simulated only {own.power.n:,} times")
    return notes


def _facts(found: _Plan) -> dict[str, Any]:
    """The review with every design's hours, and its effects as shares."""
    facts: dict[str, Any] = asdict(found.review)
    for name in ("own", "strict", "detectable", "needed"):
        one = getattr(found.review, name)
        facts[name] = _one(one, found) if one is not None else None
    for name in ("curve", "trade"):
        facts[name] = [_one(one, found) for one in getattr(found.review, name)]
    asked = {"expected_from": found.expected_from, "wanted": asdict(found.wanted)}
    return {**asked, **facts, "needed_yaml": "\n".join(_yaml(found))}


def _one(one: DesignPower, found: _Plan) -> dict[str, Any]:
    means = {"decisive_share": search.decisive_share(one.effects), "net_preference": one.effects.net_preference}
    return {**asdict(one), **means, "rater_hours": round(found.hours(one.votes), 2)}


def _hours(one: DesignPower, found: _Plan) -> str:
    return f"{found.hours(one.votes):,.1f} rater-hours at {found.wanted.seconds_per_comparison:g} s a comparison"


def _pairs(study: Study) -> int:
    return len(list(combinations(study.systems, 2)))
