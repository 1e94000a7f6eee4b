"""What a study asks of `evalkit audit`."""

from __future__ import annotations

from pydantic import Field

from evalkit.spec.catalog import Lang
from evalkit.spec.source import Spec


class Audit(Spec):
    """What `evalkit audit` asks of the images: languages against one of them, and who is shown."""

    base: Lang = Field(default="en", description="the language that the others are compared with")
    checks: tuple[str, ...] = Field(default=(), description="files of evalkit/checks/; all if empty")
    doubtful_below: float = Field(default=0.9, ge=-1, le=1, description="similarity of a machine back-translation")
    multilingual: tuple[str, ...] = Field(
        default=(),
        description="metrics of the study on a multilingual encoder, as siglip_multilingual: scored against each "
        "language's own text",
    )
    people: bool = Field(default=False, description="look for faces: who is shown?")
    references: dict[str, str | dict[str, float]] = Field(
        default={}, description="skin_tone, gender -> uniform, or class -> share (a census table) with `source`"
    )
    heim_compat: bool = Field(default=False, description="also HEIM's two figures, with their defects said")
    shown: int = Field(default=6, ge=0, le=24, description="prompts on the contact sheet")
