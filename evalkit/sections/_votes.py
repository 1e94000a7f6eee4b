"""Votes: which of them count, and what they say of two systems on one question."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from evalkit.errors import RunError
from evalkit.sections._study import Facts
from evalkit.spec.study import NEITHER, TIE
from evalkit.stats.clustered import ClusteredMean, clustered_mean, clustered_share
from evalkit.stats.equivalence import Equivalence, equivalence
from evalkit.stats.estimate import Estimate
from evalkit.stats.multiplicity import holm
from evalkit.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

CHOICES = ("a", "b", TIE, NEITHER)
OUTCOME = {"a": 1.0, "b": -1.0, TIE: 0.0, NEITHER: 0.0}
SWAPPED = {"a": "b", "b": "a", "left": "right", "right": "left"}


@dataclass(frozen=True)
class Ballots:
    """`counted`: the votes that every result is computed from; `left_out`: how many are not, by reason.

    Systems stand in the order of the study; `prompt_code` and `rater_code` number the clusters; `outcome` is 1 for
    system_a, -1 for system_b, else 0.
    """

    counted: pd.DataFrame
    cast: pd.DataFrame
    raters: pd.DataFrame
    left_out: dict[str, int]

    @property
    def simulated(self) -> bool:
        """Whether the votes that count were cast by a program (they count only where no person voted)."""
        return bool(len(self.counted)) and bool(self.counted["simulated"].all())


@dataclass(frozen=True)
class Contrast:
    """Two systems on one question. `shares` and `counts` by answer: system names, tie, neither.

    `missing`: comparisons that the raters answered for another question and not for this one.
    """

    question: str
    first: str
    second: str
    counts: dict[str, int]
    shares: dict[str, Estimate]
    preference: ClusteredMean
    on_par: Equivalence
    missing: int
    holm_p: float | None = None

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    @property
    def answers(self) -> tuple[str, str, str, str]:
        return self.first, self.second, TIE, NEITHER

    @property
    def name(self) -> str:
        return f"{self.question}/{self.first}-{self.second}"


def read_votes(run: Run, facts: Facts) -> Ballots | None:
    """The votes of a closed study; None where there are none (yet). Read once: several sections ask for them."""
    if not run.has("votes.parquet"):
        return None
    stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in map(run.path, _FILES) if path.is_file())
    return _Reading(run, facts, (str(run.folder), facts.sha, *facts.systems, stamps)).ballots()


_FILES = ("votes.parquet", "raters.parquet")


@dataclass(frozen=True)
class _Reading:
    """What is read from where; equal by `key` (folder, study, and when the files were written)."""

    run: Run = field(compare=False)
    facts: Facts = field(compare=False)
    key: tuple[object, ...]

    @lru_cache(maxsize=2)  # noqa: B019 - two readings at most, so that a report reads a million votes once
    def ballots(self) -> Ballots:
        return _read(self.run, self.facts)


def _read(run: Run, facts: Facts) -> Ballots:
    cast = _coded(run.read_table("votes.parquet", "votes"), facts, str(run.path("votes.parquet")))
    raters = run.read_table("raters.parquet", "raters")
    rules = _rules(cast, raters)
    left_out, kept = {}, cast["vote_id"].notna()
    for reason, out in rules.items():
        if dropped := int((kept & out).sum()):
            left_out[reason] = dropped
        kept &= ~out
    return Ballots(cast[kept].reset_index(drop=True), cast, raters, left_out)


def contrasts(ballots: Ballots, facts: Facts) -> list[Contrast]:
    """Every question with every pair of systems that the study asks about, Holm-adjusted over all of them."""
    found = [_contrast(ballots.counted, question, pair, facts) for question in facts.asked for pair in facts.pairs]
    adjusted = holm([contrast.preference.test.p for contrast in found])
    return [replace(contrast, holm_p=p) for contrast, p in zip(found, adjusted, strict=True)]


def of_pair(votes: pd.DataFrame, question: str, first: str, second: str) -> pd.DataFrame:
    """The votes on one question about two systems."""
    return votes[(votes["question"] == question) & (votes["system_a"] == first) & (votes["system_b"] == second)]


def named_choice(votes: pd.DataFrame) -> pd.Series[str]:
    """What was chosen, by name: the system, tie or neither."""
    won = votes["system_a"].where(votes["outcome"] > 0, votes["system_b"])
    return votes["choice"].where(votes["outcome"] == 0, won)


def _rules(cast: pd.DataFrame, raters: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    """Why a vote is left out, in the order in which it is counted."""
    excluded = set(raters.loc[raters["excluded_because"] != "", "rater"])
    counts = ~cast["rater"].isin(excluded) & (cast["kind"] == "vote")
    people = bool((counts & ~cast["simulated"]).any())
    return {
        "practice (warm-up)": cast["kind"] == "warmup",
        "pairs with a known answer (golds)": cast["kind"] == "gold",
        "repeats, used for consistency only": cast["kind"] == "repeat",
        "by raters who were excluded": cast["rater"].isin(excluded),
        "simulated, left out because people voted too": cast["simulated"] & people,
    }


def _coded(votes: pd.DataFrame, facts: Facts, where: str) -> pd.DataFrame:
    rank = {system: place for place, system in enumerate(facts.systems)}
    for column, known in (("choice", CHOICES), ("system_a", rank), ("system_b", rank), ("side_shown", SWAPPED)):
        strange = sorted(set(votes[column].unique()) - set(known))
        if strange:
            raise RunError(
                f"votes.parquet: {column} {strange[0]!r} is unknown", where=where, hint="close the study again"
            )
    swap = votes["system_a"].map(rank) > votes["system_b"].map(rank)
    for one, two in (("system_a", "system_b"), ("image_a", "image_b")):
        votes.loc[swap, [one, two]] = votes.loc[swap, [two, one]].to_numpy()
    for column in ("choice", "side_shown"):
        votes.loc[swap, column] = votes.loc[swap, column].replace(SWAPPED)
    codes = {
        f"{name}_code": votes[column].astype("category").cat.codes.astype("int64")
        for name, column in (("prompt", "prompt_key"), ("rater", "rater"))
    }
    return votes.assign(**codes, outcome=votes["choice"].map(OUTCOME).astype("float64"))


def _contrast(votes: pd.DataFrame, question: str, pair: tuple[str, str], facts: Facts) -> Contrast:
    first, second = pair
    mine = of_pair(votes, question, first, second)
    analysis = facts.study.analysis
    groups = mine["prompt_code"].to_numpy(), mine["rater_code"].to_numpy()
    mean = clustered_mean(mine["outcome"].to_numpy(), *groups, confidence=analysis.confidence)
    answers = dict(zip(CHOICES, (first, second, TIE, NEITHER), strict=True))
    hits = {answer: (mine["choice"] == choice).to_numpy() for choice, answer in answers.items()}
    return Contrast(
        question=question,
        first=first,
        second=second,
        counts={answer: int(hit.sum()) for answer, hit in hits.items()},
        shares={answer: clustered_share(hit, *groups, confidence=analysis.confidence) for answer, hit in hits.items()},
        preference=mean,
        on_par=equivalence(mean, analysis.equivalence_margin, alpha=(1 - analysis.confidence)),
        missing=_missing(votes, question, pair),
    )


def _missing(votes: pd.DataFrame, question: str, pair: tuple[str, str]) -> int:
    about = votes[(votes["system_a"] == pair[0]) & (votes["system_b"] == pair[1])]
    seen = about[["rater", "image_a", "image_b"]].drop_duplicates()
    answered = about.loc[about["question"] == question, ["rater", "image_a", "image_b"]].drop_duplicates()
    return len(seen) - len(answered)
