"""From what people did (left, right) to what they preferred: sides undone, arms joined with their systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from evalkit.errors import RunError
from evalkit.spec.design import Exclusions
from evalkit.store import frames
from evalkit.store.tables import (
    AssignmentRow,
    CommentRow,
    ComparisonRow,
    ImageRow,
    PromptRow,
    RaterRow,
    ReportRow,
    SheetRow,
    VoteRow,
)
from evalkit.voting import backgrounds, conduct, pool
from evalkit.voting.arms import Arms
from evalkit.voting.conduct import Conduct

if TYPE_CHECKING:
    import pandas as pd

OTHER = {"left": "right", "right": "left"}


def votes(session: Session, study_id: int, link: Arms, systems: Sequence[str]) -> pd.DataFrame:
    """Every vote of a study as a table of `frames.VOTES`.

    `system_a` comes before `system_b` in the study (`systems`); `image_a` and `image_b` are keys of images.parquet;
    `side_shown` is where image_a stood; a vote for the image on that side is `a`. Votes on a comparison that was left
    before "Next" are votes. Of a gold, image_a is the right image and system_a and system_b are both its system;
    image_b is the wrong one, empty where that is noise.

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
    prompt_hidden: bool
    prompt_key: str
    lang: str
    pair: ComparisonRow
    first: ImageRow
    second: ImageRow


def _cast(session: Session, study_id: int) -> Iterator[_Cast]:
    first, second = aliased(ImageRow), aliased(ImageRow)
    query = (
        select(
            VoteRow, AssignmentRow, RaterRow.code, SheetRow.hides_prompt, PromptRow.key, PromptRow.lang, ComparisonRow
        )
        .add_columns(first, second)
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
    vote, assignment, pair = cast.vote, cast.assignment, cast.pair
    sides = ("left", "right") if assignment.a_is_left else ("right", "left")
    standing = [
        (link.systems[image.arm], image, side) for image, side in zip((cast.first, cast.second), sides, strict=True)
    ]
    if pair.gold == "b" or (pair.gold is None and systems.index(standing[0][0]) > systems.index(standing[1][0])):
        standing.reverse()
    (system_a, image_a, side), (system_b, image_b, _) = standing
    return {
        "vote_id": f"{vote.id}",
        "rater": cast.code,
        "prompt_key": cast.prompt_key,
        "lang": cast.lang,
        "question": vote.question,
        "system_a": system_a,
        "system_b": system_b,
        "image_a": link.images[_name(image_a)],
        "image_b": "" if pair.gold_kind == "noise" else link.images[_name(image_b)],
        "side_shown": side,
        "choice": {side: "a", OTHER[side]: "b"}.get(vote.choice, vote.choice),
        "kind": "repeat" if pair.kind == "vote" and assignment.occasion > 1 else pair.kind,
        "occasion": assignment.occasion,
        "position": assignment.position,
        "prompt_hidden": cast.prompt_hidden,
        "response_ms": vote.response_ms,
        "cast_at": vote.cast_at.isoformat(timespec="milliseconds"),
        "simulated": vote.simulated,
    }


def _name(image: ImageRow) -> str:
    """The name under which the link knows a picture: that of its file, which a pilot shares with the study."""
    return PurePosixPath(image.path).stem


def raters(session: Session, study_id: int, cast: pd.DataFrame, rules: Exclusions) -> pd.DataFrame:
    """Everybody who was invited, as a table of `frames.RATERS`, with their number of votes in `cast`.

    `excluded_because` names the rules that exclude a rater; their votes stay in the table of votes. A rater who
    answered no gold has no gold accuracy (NaN), and one without a repeat no consistency. What they told of themselves
    is there as far as `backgrounds.shareable` lets it out.
    """
    import pandas as pd

    counts, did = cast["rater"].value_counts(), conduct.conduct(session, study_id)
    found = session.scalars(select(RaterRow).where(RaterRow.study_id == study_id).order_by(RaterRow.code)).all()
    told = backgrounds.shareable(found)
    rows = [_rater(rater, int(counts.get(rater.code, 0)), did.get(rater.id), rules) | told[rater.id] for rater in found]
    return frames.conform(pd.DataFrame(rows, columns=list(frames.RATERS)), "raters")


def _rater(rater: RaterRow, n_votes: int, did: Conduct | None, rules: Exclusions) -> dict[str, Any]:
    state = "did not agree to take part" if rater.consented_at is None else "did not vote"
    accuracy, consistency = (did.gold_accuracy, did.consistency) if did else (None, None)
    return {
        "rater": rater.code,
        "languages": ",".join(rater.languages),
        "n_votes": n_votes,
        "gold_accuracy": float("nan") if accuracy is None else accuracy,
        "consistency": float("nan") if consistency is None else consistency,
        "excluded_because": conduct.excluded_because(did, rules) if n_votes and did else state,
        "simulated": rater.simulated,
    }


def flow(session: Session, study_id: int) -> dict[str, dict[str, int]]:
    """How many raters were invited, agreed, voted and finished; people and simulated ones apart.

    Finished: all that was drawn for them. Who left something that went to others has not.
    """
    found = session.scalars(select(RaterRow).where(RaterRow.study_id == study_id)).all()
    sheets = select(SheetRow.rater_id).join(AssignmentRow, AssignmentRow.sheet_id == SheetRow.id).distinct()
    mine = sheets.where(SheetRow.study_id == study_id, SheetRow.rater_id.is_not(None))
    voted = set(session.scalars(mine.join(VoteRow, VoteRow.assignment_id == AssignmentRow.id)))
    stumps = mine.where(
        or_(AssignmentRow.finished_at.is_(None), SheetRow.id.in_(pool.passed_on(session, study_id).keys()))
    )
    finished = set(session.scalars(mine)) - set(session.scalars(stumps))
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
        rows.append({"image": link.images[_name(image)], "reason": report.reason, "at": report.at.isoformat()})
    return rows


def comments(session: Session, study_id: int, link: Arms) -> list[dict[str, Any]]:
    """What raters wrote: rater, prompt, the images of the comparison, text, time."""
    query = (
        select(CommentRow, AssignmentRow, RaterRow.code)
        .join(AssignmentRow, CommentRow.assignment_id == AssignmentRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(RaterRow, SheetRow.rater_id == RaterRow.id)
        .where(SheetRow.study_id == study_id)
        .order_by(CommentRow.id)
    )
    rows = []
    for said, assignment, code in session.execute(query):
        pair = assignment.comparison
        left, right = (pair.image_a, pair.image_b) if assignment.a_is_left else (pair.image_b, pair.image_a)
        shown = {"left": link.images[_name(left)], "right": link.images[_name(right)]}
        about = {"rater": code, "prompt_key": pair.image_a.prompt.key, "lang": pair.image_a.prompt.lang}
        rows.append({**about, **shown, "text": said.text, "at": said.at.isoformat()})
    return rows
