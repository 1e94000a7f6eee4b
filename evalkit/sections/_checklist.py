"""What a reviewer asks of a human evaluation (after Otani et al. 2023, CVPR, and its reporting template), from data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.sections import _format
from evalkit.sections._blocks import Column, Table
from evalkit.sections._raters import rules_in_words
from evalkit.sections._study import Facts, read_voting
from evalkit.sections._votes import Ballots
from evalkit.store.run import Run

UNKNOWN = "not recorded: to be added by the authors"
NOTE = (
    "Items after Otani et al. 2023 (Toward Verifiable and Reproducible Human Evaluation for Text-to-Image Generation). "
    f"What a run folder cannot know reads “{UNKNOWN}”."
)


def checklist(run: Run, ballots: Ballots, facts: Facts) -> Table:
    """One row an item, filled from the frozen study, the votes and the manifest."""
    voting = read_voting(run)
    columns = (Column("Item", align="left"), Column("this study", align="left"))
    rows = (
        *_task(ballots, facts, voting),
        *_raters(ballots, voting),
        *_results(ballots, voting, rules_in_words(run), facts),
    )
    return Table("Checklist for human evaluation", columns, tuple(rows), NOTE)


def _task(ballots: Ballots, facts: Facts, voting: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    design, votes = facts.study.voting, ballots.counted
    wish = facts.study.prompts
    yield "Type of judgement", "pairwise, side by side; four answers (one, the other, equal, neither)"
    yield "Questions and answers, word by word", _wordings(facts)
    yield "Prompts: source", f"{facts.prompt_set.title}, {facts.prompt_set.licence or 'licence not stated'}"
    drawn = f"{design.sample} of them by sha256(seed|key), seed {design.seed}" if design and design.sample else "all"
    picked = f"{wish.sample} drawn by sha256(seed|key), seed {wish.seed}; shown: " if wish.sample else "shown: "
    yield "Prompts: number and how they were chosen", f"{picked}{drawn}; judged {votes['prompt_key'].nunique()}"
    yield "Images: number for each prompt and system", f"{design.images if design else '–'}, none picked by hand"
    yield "Models and sampling", "see Systems: checkpoint, revision, steps, guidance, size, seeds"
    pairs = len(votes[["image_a", "image_b"]].drop_duplicates())
    judged = votes.groupby(["question", "image_a", "image_b"])["rater"].nunique()
    spread = f"{judged.min()} to {judged.max()}" if len(judged) else "–"
    yield "Pairs, and raters for each", f"{_format.plural(pairs, 'pair')}; {spread} raters on each pair and question"
    yield "Order and sides", "drawn at opening, sides balanced; names of systems never reach the browser"
    pairing = (voting.get("design") or {}).get("pairing", "balanced")
    yield "Which pairs are shown", f"{pairing}, fixed before the first vote" if pairing == "balanced" else str(pairing)


def _wordings(facts: Facts) -> str:
    said = []
    for name in facts.asked:
        if question := facts.questions.get(name):
            said.append(f"“{question.text['en']}” ({' / '.join(question.answers['en'])})")
    return " ".join(said) or UNKNOWN


def _raters(ballots: Ballots, voting: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    raters = ballots.counted["rater"].nunique()
    who = "simulated raters (programs)" if ballots.simulated else "raters by personal invite link"
    yield "Raters: number and recruitment", f"{raters} {who}; platform {UNKNOWN}"
    languages = sorted({part for told in ballots.raters["languages"] for part in str(told).split(",") if part})
    yield "Raters: languages", ", ".join(languages) or UNKNOWN
    yield "Raters: qualification and training", _training(voting)
    yield "Raters: consent", "none: programs" if ballots.simulated else "asked before the first pair; see the flow"
    yield "Raters: pay", "none: programs" if ballots.simulated else UNKNOWN
    times = ballots.counted.loc[ballots.counted["response_ms"] > 0, "response_ms"]
    yield (
        "Time for a comparison",
        f"median {times.median() / 1000:.1f} s, n = {_format.count(len(times))}" if len(times) else "–",
    )
    yield "Ethical review", UNKNOWN


def _training(voting: Mapping[str, Any]) -> str:
    quality = (voting.get("design") or {}).get("quality") or {}
    warmups = quality.get("warmups", 0)
    return f"{_format.plural(int(warmups), 'practice pair')} before the first comparison" if warmups else "none"


def _results(ballots: Ballots, voting: Mapping[str, Any], rules: list[str], facts: Facts) -> Iterator[tuple[str, str]]:
    quality = (voting.get("design") or {}).get("quality") or {}
    checks = [f"{quality[name]} {name} a sheet" for name in ("golds", "repeats") if quality.get(name)]
    yield "Quality checks", _format.listed(checks) or "none planned"
    yield "Rules of exclusion, fixed before the votes", _format.listed(rules) or "none"
    left = int((ballots.raters["excluded_because"] != "").sum())
    yield "Raters left out", f"{left}, with reasons in the flow; results with and without stand under Votes quality"
    yield "Agreement between raters", "Krippendorff's alpha, Gwet's AC1, raw; see Votes quality"
    yield "Test and interval", f"{facts.study.analysis.confidence:.0%} two-way clustered t; see Statistics"
    yield "Sample size: how it was chosen", _size(voting)
    yield "Raw votes, interface, code", "`evalkit export`; evalkit itself; versions and revision in this section"


def _size(voting: Mapping[str, Any]) -> str:
    analysis = voting.get("analysis") or {}
    if analysis.get("looks"):
        looks = _format.listed([str(look) for look in analysis["looks"]])
        return f"stop at half-width {analysis.get('half_width')}, looked at after {looks} sheets"
    return "fixed number of sheets; see the plan"
