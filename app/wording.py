"""What the raters' pages say: one YAML file a language in strings/. A new language is a new file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

STRINGS = Path(__file__).parent / "strings"
FALLBACK = "en"


@cache
def languages() -> dict[str, str]:
    """BCP-47 code -> the language's own name, English first."""
    codes = sorted((path.stem for path in STRINGS.glob("*.yaml")), key=lambda code: (code != FALLBACK, code))
    return {code: wording(code)["name"] for code in codes}


@cache
def wording(code: str) -> dict[str, Any]:
    """The strings of a language; `code` must be one of `languages()`."""
    loaded: dict[str, Any] = yaml.safe_load((STRINGS / f"{code}.yaml").read_text(encoding="utf-8"))
    return loaded


def best_language(*wishes: str | None) -> str:
    """The first wish that there is a catalogue for ("es-MX" is served by "es"), else English."""
    for wish in wishes:
        code = (wish or "").split("-")[0].lower()
        if code in languages():
            return code
    return FALLBACK
