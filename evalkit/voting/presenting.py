"""A comparison as its rater sees it: sides, prompt (or not yet), translation, questions in the rater's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.errors import VotingError
from evalkit.store.tables import AssignmentRow, PromptRow, RaterRow, SheetRow, StudyRow
from evalkit.voting import pool, worksheets


@dataclass(frozen=True)
class PresentedQuestion:
    """A question in the rater's language; `answers`: left, on par, right, neither.

    `locked`: it was answered before the prompt was shown, and cannot be changed any more.
    """

    name: str
    text: str
    answers: tuple[str, str, str, str]
    needs_prompt: bool = True
    locked: bool = False


@dataclass(frozen=True)
class Presented:
    """One comparison as a rater sees it; `left` and `right` are opaque image keys, `answers` question -> choice.

    `prompt` is empty while `prompt_hidden`: first come the questions that need none, then `reveal`. `translation`: the
    prompt in the rater's language, to stand beside the original. In `practice`, position and total count the warm-ups.
    `warned`: both images stay hidden until the rater asks to see them. It follows from the prompt, never from a system.
    `reported`: the rater reported one of them, and may go on without answering.
    """

    assignment_id: int
    prompt: str
    lang: str
    left: str
    right: str
    questions: tuple[PresentedQuestion, ...]
    answers: dict[str, str]
    position: int
    total: int
    can_undo: bool
    practice: bool = False
    prompt_hidden: bool = False
    translation: str | None = None
    translation_lang: str | None = None
    comment: str = ""
    warned: bool = False
    reported: bool = False


def present(assignment: AssignmentRow, work: worksheets.Work, rater: RaterRow, lang: str) -> Presented:
    """The comparison that the rater is at.

    Args:
        work: what is on the rater's sheet.
        lang: of the page; the questions are worded in it, else in English.
    """
    pair, study, sheet = assignment.comparison, rater.study, assignment.sheet
    left, right = (pair.image_a, pair.image_b) if assignment.a_is_left else (pair.image_b, pair.image_a)
    hidden, practice = hides(assignment), pair.kind == "warmup"
    like = [place.id for place in work.like(practice=practice)]
    code, said = (None, None) if hidden else translation(left.prompt, study, [*rater.languages, lang])
    return Presented(
        assignment_id=assignment.id,
        prompt="" if hidden else left.prompt.text,
        lang=left.prompt.lang,
        left=left.key,
        right=right.key,
        questions=tuple(_questions(assignment, sheet, study, lang)),
        answers={vote.question: vote.choice for vote in assignment.votes},
        position=like.index(assignment.id) + 1,
        total=len(like),
        can_undo=work.last_finished is not None and pool.untouched(assignment),
        practice=practice,
        prompt_hidden=hidden,
        translation=said,
        translation_lang=code,
        comment=assignment.comment.text if assignment.comment else "",
        warned=left.prompt.key in study.spec.get("warned", ()),
        reported=bool(assignment.reports),
    )


def hides(assignment: AssignmentRow) -> bool:
    """Whether the prompt is not to be seen yet."""
    return assignment.sheet.hides_prompt and assignment.revealed_at is None


def without_prompt(study: StudyRow) -> set[str]:
    """The questions that can be answered without the prompt."""
    return {question["name"] for question in study.spec["questions"] if not question.get("needs_prompt", True)}


def require_in_order(assignment: AssignmentRow, study: StudyRow, question: str) -> None:
    """Refuses an answer about a text that was not shown yet, and a change of one that was given before it was."""
    if not assignment.sheet.hides_prompt:
        return
    early = question in without_prompt(study)
    if early and assignment.revealed_at is not None:
        raise VotingError("This answer was given before the text was shown, and stays.")
    if not early and assignment.revealed_at is None:
        raise VotingError("The text of this comparison was not shown yet.", hint="Please load the page again.")


def translation(prompt: PromptRow, study: StudyRow, languages: list[str]) -> tuple[str | None, str | None]:
    """The prompt in the first language of the rater that it is translated to, unless they know its own."""
    if not study.spec["voting"].get("translation", True):
        return None, None
    for own in languages:
        if worksheets.same_language(own, prompt.lang):
            return None, None
        for code, text in prompt.translations.items():
            if worksheets.same_language(own, code):
                return code, text
    return None, None


def _questions(assignment: AssignmentRow, sheet: SheetRow, study: StudyRow, lang: str) -> list[PresentedQuestion]:
    wording = {question["name"]: question for question in study.spec["questions"]}
    revealed = sheet.hides_prompt and assignment.revealed_at is not None
    return [_question(wording[name], lang, revealed) for name in sheet.questions]


def _question(question: Mapping[str, Any], lang: str, revealed: bool) -> PresentedQuestion:
    spoken = next(
        (key for key in (lang, lang.split("-")[0]) if key in question["text"] and key in question["answers"]), "en"
    )
    left, tie, right, neither = question["answers"][spoken]
    needs = question.get("needs_prompt", True)
    answers = (left, tie, right, neither)
    return PresentedQuestion(question["name"], question["text"][spoken], answers, needs, revealed and not needs)
