"""The blind study as it is written in a study file: what raters see, whose answers count, and what will be tested."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, field_validator, model_validator

from evalkit.spec.source import Spec

GoldKind = Literal["noise", "other_prompt"]


class Exclusions(Spec):
    """Whose votes do not count; written before the first vote. A rule that is absent excludes nobody.

    Each is applied to a rater's own answers at closing; the report shows the result with and without.
    """

    gold_accuracy_below: float | None = Field(default=None, gt=0, le=1, description="share of golds answered rightly")
    consistency_below: float | None = Field(default=None, gt=0, le=1, description="share of repeats answered alike")
    median_seconds_below: float | None = Field(default=None, gt=0, le=600, description="from reveal to answer")
    same_answer_above: float | None = Field(default=None, gt=0, lt=1, description="share of the commonest answer")
    votes_below: int | None = Field(default=None, ge=1, description="answers that count, over all questions")


class Quality(Spec):
    """Items that check the raters. They come beside the comparisons, and none of them counts as a vote."""

    golds: int = Field(default=0, ge=0, le=50, description="pairs with one right answer, on each sheet")
    gold_kinds: tuple[GoldKind, ...] = Field(
        default=("noise", "other_prompt"),
        min_length=1,
        description="against noise (every question has an answer), or against another prompt's image (alignment only)",
    )
    repeats: int = Field(default=0, ge=0, le=50, description="comparisons shown again, sides swapped, on each sheet")
    warmups: int = Field(default=0, ge=0, le=20, description="practice before the first comparison, on each sheet")
    exclude: Exclusions = Exclusions()

    @field_validator("gold_kinds")
    @classmethod
    def _once_each(cls, kinds: tuple[GoldKind, ...]) -> tuple[GoldKind, ...]:
        if len(set(kinds)) != len(kinds):
            raise ValueError("a kind of gold is named twice")
        return kinds


class Design(Spec):
    """The blind study: what raters see, and how much of it."""

    sample: int | None = Field(default=None, ge=1, description="prompts shown, drawn from the study's; all if absent")
    stratify: tuple[Literal["category", "challenge"], ...] = Field(
        default=(), description="draw the sample from each of these groups in proportion"
    )
    seed: int = Field(default=0, description="draws the sample, the sheets and the sides")
    images: int = Field(default=1, ge=1, le=1000, description="images per prompt and system")
    questions: tuple[str, ...] = Field(default=("aesthetics", "alignment"), min_length=1)
    wording: str = Field(default="default", description="which wording of the questions and answers")
    raters: int = Field(default=10, ge=1, le=100_000, description="sheets drawn at opening: one a rater")
    comparisons_per_rater: int | None = Field(default=None, ge=1, description="all of them if absent")
    votes_per_comparison: int | None = Field(default=None, ge=1, description="instead of `raters`: as many as it takes")
    rounds: int | None = Field(
        default=None, ge=1, description="over two systems: rounds of a round-robin on each prompt; all pairs if absent"
    )
    pairing: Literal["even", "adaptive"] = Field(
        default="even", description="adaptive: later sheets show more of the pairs of systems that are least certain"
    )
    first_sheets: int | None = Field(
        default=None, ge=1, description="adaptive: drawn evenly at opening, and as many at each later drawing"
    )
    hide_prompt: Literal["never", "half"] = Field(
        default="never", description="half: on half of the sheets the prompt comes after the questions without it"
    )
    languages: Literal["mixed", "one"] = Field(
        default="mixed", description="one: a sheet keeps to one language, and goes to a rater who knows it"
    )
    translation: bool = Field(default=True, description="show the prompt in the rater's language beside the original")
    content_warning: tuple[str, ...] = Field(
        default=(), description="prompts (by key, category or challenge) whose images stay hidden until a rater asks"
    )
    session_minutes: int = Field(default=30, ge=1, le=600, description="of work before a break is offered")
    hold_hours: float = Field(default=48, gt=0, le=8760, description="an untouched sheet returns to the pool after")
    unsafe_above: float | None = Field(
        default=0.8, gt=0, lt=1, description="images that `unsafe_image` scores higher are kept from raters; null: none"
    )
    quality: Quality = Quality()
    on_erasure: Literal["keep", "drop"] = Field(default="keep", description="the votes of a rater who is erased")
    retention_days: int | None = Field(
        default=None, ge=0, description="after closing, until what raters told of themselves is removed"
    )

    @field_validator("questions", "stratify", "content_warning")
    @classmethod
    def _once_each(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a name is there twice")
        return names

    @model_validator(mode="after")
    def _one_way_to_say_how_many(self) -> Design:
        if self.votes_per_comparison is not None and "raters" in self.model_fields_set:
            raise ValueError("give raters or votes_per_comparison, not both: one follows from the other")
        return self

    @model_validator(mode="after")
    def _adaptive_has_something_to_choose(self) -> Design:
        if self.first_sheets is not None and self.pairing == "even":
            raise ValueError("first_sheets belongs to pairing: adaptive")
        if self.pairing == "adaptive" and self.languages == "one":
            raise ValueError("pairing: adaptive needs sheets of mixed languages")
        if self.pairing == "adaptive" and self.comparisons_per_rater is None:
            raise ValueError("pairing: adaptive needs comparisons_per_rater: a sheet of all pairs leaves no choice")
        return self

    def wave(self, sheets: int) -> int:
        """How many of the planned sheets are drawn at a time: all of them, or a part where pairing is adaptive."""
        return sheets if self.pairing == "even" else min(self.first_sheets or -(-sheets // 4), sheets)

    def sheets(self, comparisons: int) -> int:
        """How many sheets are drawn for a study of so many comparisons."""
        if self.votes_per_comparison is None:
            return self.raters
        return -(-comparisons * self.votes_per_comparison // self.per_sheet(comparisons))

    def per_sheet(self, comparisons: int) -> int:
        """Comparisons on a sheet, golds, repeats and warm-ups not counted."""
        return min(self.comparisons_per_rater or comparisons, comparisons)


class Analysis(Spec):
    """Fixed before the first vote: what will be tested, and when the study may stop."""

    primary_question: str = "aesthetics"
    test: Literal["two-way clustered t"] = Field(
        default="two-way clustered t", description="on the net preference (W - L) / n, by prompt and rater"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    equivalence_margin: float = Field(default=0.10, gt=0, lt=1, description="on the net preference (W - L) / n")
    half_width: float | None = Field(
        default=None, gt=0, lt=1, description="enough: the interval of the net preference is at most this to each side"
    )
    looks: tuple[int, ...] = Field(default=(), description="after so many complete sheets it is looked whether enough")

    @model_validator(mode="after")
    def _looks_are_planned(self) -> Analysis:
        if (self.half_width is None) != (not self.looks):
            raise ValueError("half_width and looks belong together: looks without a width (or the other way round)")
        if any(look < 1 for look in self.looks) or any(one >= two for one, two in pairwise(self.looks)):
            raise ValueError("looks are numbers of complete sheets, each larger than the one before")
        return self
