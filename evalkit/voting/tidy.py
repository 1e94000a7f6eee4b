"""From what people did (left, right) to what they preferred: sides undone, arms joined with their systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from evalkit.errors import RunError
from evalkit.store import frames
from evalkit.store.tables import (
    AssignmentRow,
    ComparisonRow,
    ImageRow,
    PromptRow,
    RaterRow,
    ReportRow,
    SheetRow,
    VoteRow,
)
from evalkit.voting.arms import Arms

if TYPE_CHECKING:
    import pandas as pd

OTHER = {"left": "right", "right": "left"}


def votes(session: Session, study_id: int, link: Arms, systems: Sequence[str]) -> pd.DataFrame:
    """Every vote of a study as a table of `frames.VOTES`.

    `system_a` comes before `system_b` in the study (`systems`); `image_a` and `image_b` are keys of images.parquet;
    `side_shown` is where image_a stood; a vote for the image on that side is `a`. Votes on a comparison that was left
    before "Next" are votes.

    Raises:
        RunError: an arm or image of the database is unknown to the link.
    """
    import pandas as pd

    try:
        rows = [_vote(cast, link, systems) for cast in _cast(session, study_id)]
    except (KeyError, ValueError) as error:
        raise RunError(f"arms.json does not know {error}", hint="it belongs to another opening") from error
    return frames.conform(pd.DataFrame(rows, columns=list(frames.VOTES)), "votes")


@dataclass(frozen=True)
class _Cast:
    """A vote with what it was cast on; `first` and `second` are the comparison's images."""

    vote: VoteRow
    assignment: AssignmentRow
    code: str
    prompt_key: str
    lang: str
    first: ImageRow
    second: ImageRow


def _cast(session: Session, study_id: int) -> Iterator[_Cast]:
    first, second = aliased(ImageRow), aliased(ImageRow)
    query = (
        select(VoteRow, AssignmentRow, RaterRow.code, PromptRow.key, PromptRow.lang, first, second)
        .join(AssignmentRow, VoteRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(RaterRow, SheetRow.rater_id == RaterRow.id)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .join(first, ComparisonRow.image_a_id == first.id)
        .join(second, ComparisonRow.image_b_id == second.id)
        .join(PromptRow, first.prompt_id == PromptRow.id)
        .where(SheetRow.study_id == study_id)
        .order_by(VoteRow.id)
    )
    return (_Cast(*row) for row in session.execute(query))


def _vote(cast: _Cast, link: Arms, systems: Sequence[str]) -> dict[str, Any]:
    vote, assignment = cast.vote, cast.assignment
    left, right = (cast.first, cast.second) if assignment.a_is_left else (cast.second, cast.first)
    standing = {link.systems[left.arm]: ("left", left), link.systems[right.arm]: ("right", right)}
    system_a, system_b = sorted(standing, key=systems.index)
    side = standing[system_a][0]
    return {
        "vote_id": f"{vote.id}",
        "rater": cast.code,
        "prompt_key": cast.prompt_key,
        "lang": cast.lang,
        "question": vote.question,
        "system_a": system_a,
        "system_b": system_b,
        "image_a": link.images[standing[system_a][1].key],
        "image_b": link.images[standing[system_b][1].key],
        "side_shown": side,
        "choice": {side: "a", OTHER[side]: "b"}.get(vote.choice, vote.choice),
        "kind": "vote",
        "occasion": assignment.occasion,
        "position": assignment.position,
        "response_ms": vote.response_ms,
        "cast_at": vote.cast_at.isoformat(timespec="milliseconds"),
        "simulated": vote.simulated,
    }


def raters(session: Session, study_id: int, cast: pd.DataFrame) -> pd.DataFrame:
    """Everybody who was invited, as a table of `frames.RATERS`, with their number of votes in `cast`.

    A study without golds and repeats has no gold accuracy and no consistency: they are missing (NaN).
    """
    import pandas as pd

    counts = cast["rater"].value_counts()
    found = session.scalars(select(RaterRow).where(RaterRow.study_id == study_id).order_by(RaterRow.code))
    rows = [_rater(rater, int(counts.get(rater.code, 0))) for rater in found]
    return frames.conform(pd.DataFrame(rows, columns=list(frames.RATERS)), "raters")


def _rater(rater: RaterRow, n_votes: int) -> dict[str, Any]:
    state = "did not agree to take part" if rater.consented_at is None else "did not vote"
    return {
        "rater": rater.code,
        "languages": ",".join(rater.languages),
        "n_votes": n_votes,
        "gold_accuracy": float("nan"),
        "consistency": float("nan"),
        "excluded_because": "" if n_votes else state,
        "simulated": rater.simulated,
    }


def flow(session: Session, study_id: int) -> dict[str, dict[str, int]]:
    """How many raters were invited, agreed, voted and finished; people and simulated ones apart."""
    found = session.scalars(select(RaterRow).where(RaterRow.study_id == study_id)).all()
    sheets = select(SheetRow.rater_id).join(AssignmentRow, AssignmentRow.sheet_id == SheetRow.id).distinct()
    mine = sheets.where(SheetRow.study_id == study_id, SheetRow.rater_id.is_not(None))
    voted = set(session.scalars(mine.join(VoteRow, VoteRow.assignment_id == AssignmentRow.id)))
    finished = set(session.scalars(mine)) - set(session.scalars(mine.where(AssignmentRow.finished_at.is_(None))))
    groups = {"people": False, "simulated": True}
    return {
        name: {
            "invited": len(group),
            "consented": sum(rater.consented_at is not None for rater in group),
            "voted": sum(rater.id in voted for rater in group),
            "finished": sum(rater.id in finished for rater in group),
            "withdrawn": sum(rater.revoked_at is not None for rater in group),
            "erased": sum(rater.erased_at is not None for rater in group),
        }
        for name, flag in groups.items()
        for group in [[rater for rater in found if rater.simulated == flag]]
    }


def reported(session: Session, study_id: int, link: Arms) -> list[dict[str, Any]]:
    """The images that raters found unfit: key of images.parquet, reason, time."""
    query = (
        select(ReportRow, AssignmentRow)
        .join(AssignmentRow, ReportRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .where(SheetRow.study_id == study_id)
        .order_by(ReportRow.id)
    )
    rows = []
    for report, assignment in session.execute(query):
        pair = assignment.comparison
        image = pair.image_a if (report.side == "left") == assignment.a_is_left else pair.image_b
        rows.append({"image": link.images[image.key], "reason": report.reason, "at": report.at.isoformat()})
    return rows
