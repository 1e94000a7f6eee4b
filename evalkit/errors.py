"""What can go wrong, as a tree. Each error says what happened, where, and what to do next.

EvalkitError            exit code 2: the user can mend it
|- SpecError            a study, catalogue or prompt file is wrong
|- RunError             a run folder lacks something, or is damaged
|- ModelError           a checkpoint cannot be loaded or does not fit its card
|- VotingError          the voting database refuses what was asked
|  `- NotSavedError     it is busy, full or away: nothing was kept, and the same may be tried again
|- UnavailableError     something outside (hub, network, disk) cannot be reached
`- MissingExtraError    exit code 3: an optional package is not installed
"""

from __future__ import annotations


class EvalkitError(Exception):
    """A mistake or lack that a person can mend.

    Args:
        what: what is wrong, in one sentence.
        where: the file with its line, the table or the option that it is about.
        hint: the next step.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        return " · ".join(part for part in (self.what, self.where, self.hint) if part)


class SpecError(EvalkitError):
    """A study, catalogue or prompt file is wrong."""


class RunError(EvalkitError):
    """A run folder lacks something, or is damaged."""


class ModelError(EvalkitError):
    """A checkpoint cannot be loaded or does not fit its card."""


class OutOfMemoryError(ModelError):
    """The device's memory was too small for so many images at once."""


class VotingError(EvalkitError):
    """The voting database refuses what was asked."""


class UnknownLinkError(VotingError):
    """A link that was never given out, as somebody who guesses has it."""


class NotSavedError(VotingError):
    """The voting database is busy, full or cannot be reached: nothing was kept, and the same may be tried again."""


class UnavailableError(EvalkitError):
    """Something outside evalkit (hub, network, disk) cannot be reached."""


class MissingExtraError(EvalkitError):
    """An optional package is not installed."""

    exit_code = 3

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", hint=f"pip install 'evalkit[{extra}]'")
        self.args = (package, extra)  # what makes it again in another process
