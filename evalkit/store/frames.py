"""The column contracts of every table of a run, in one place. A table that breaks its contract is never written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

STRING, INTEGER, NUMBER, BOOLEAN = "string", "int64", "float64", "bool"

IMAGES = {
    "key": STRING,
    "system": STRING,
    "prompt_set": STRING,
    "prompt_key": STRING,
    "lang": STRING,
    "category": STRING,
    "challenge": STRING,
    "prompt": STRING,
    "image_index": INTEGER,
    "seed": INTEGER,
    "path": STRING,
    "sha256": STRING,
    "width": INTEGER,
    "height": INTEGER,
    "seconds": NUMBER,
    "batch_size": INTEGER,
    "flagged": BOOLEAN,
    "blank": BOOLEAN,
    "bytes": INTEGER,
}
FACTS = {"key": STRING, **dict(list(IMAGES.items())[-8:])}
SCORES_IMAGE = {"image_key": STRING, "value": NUMBER, "reason": STRING, "signature": STRING}
SCORES_SET = {
    "system": STRING,
    "slice": STRING,
    "lang": STRING,
    "value": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "n": INTEGER,
    "method": STRING,
    "note": STRING,
    "signature": STRING,
}
VOTES = {
    "vote_id": STRING,
    "rater": STRING,
    "prompt_key": STRING,
    "lang": STRING,
    "question": STRING,
    "system_a": STRING,
    "system_b": STRING,
    "image_a": STRING,
    "image_b": STRING,
    "side_shown": STRING,
    "choice": STRING,
    "kind": STRING,
    "occasion": INTEGER,
    "position": INTEGER,
    "prompt_hidden": BOOLEAN,
    "response_ms": INTEGER,
    "cast_at": STRING,
    "simulated": BOOLEAN,
}
RATERS = {
    "rater": STRING,
    "languages": STRING,
    "n_votes": INTEGER,
    "gold_accuracy": NUMBER,
    "consistency": NUMBER,
    "excluded_because": STRING,
    "profession": STRING,
    "years": STRING,
    "colour": STRING,
    "display": STRING,
    "light": STRING,
    "night": STRING,
    "simulated": BOOLEAN,
}
HEALTH = {
    "panel": STRING,
    "system": STRING,
    "measure": STRING,
    "setting": STRING,
    "value": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "n": INTEGER,
    "method": STRING,
    "note": STRING,
    "image": STRING,
    "other": STRING,
    "signature": STRING,
}
LATENCY = {
    "system": STRING,
    "runtime": STRING,
    "batch_size": INTEGER,
    "stage": STRING,
    "steps": INTEGER,
    "round": INTEGER,
    "seconds": NUMBER,
    "cpu_seconds": NUMBER,
}
AUDIT = {
    "check": STRING,
    "system": STRING,
    "lang": STRING,
    "group": STRING,
    "measure": STRING,
    "value": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "n": INTEGER,
    "prompts": INTEGER,
    "method": STRING,
    "p": NUMBER,
    "p_holm": NUMBER,
    "note": STRING,
    "signature": STRING,
}
LATER: dict[str, dict[str, str | bool | int]] = {
    "images": {"bytes": 0},
    "votes": {"prompt_hidden": False},
    "raters": dict.fromkeys(("profession", "years", "colour", "display", "light", "night"), ""),
}
"""Columns that a table made by an earlier evalkit lacks, and what they hold then."""
FEW = "fewer than 5"
"""Of what a rater told: the answer of so few that it might point to a person. It stays in the database."""
CONTRACTS = {
    "health": HEALTH,
    "latency": LATENCY,
    "images": IMAGES,
    "facts": FACTS,
    "scores_image": SCORES_IMAGE,
    "scores_set": SCORES_SET,
    "votes": VOTES,
    "raters": RATERS,
    "audit": AUDIT,
}
"""`seconds`: of one batch; `cpu_seconds`: what the process's threads worked meanwhile.
`stage`: text, step (one network call), vae, safety, write, or image (all).
`side_shown`: the side on which image_a (system_a) stood, left or right. `choice`: a, b, tie or neither.
`prompt_hidden`: on this sheet the questions that need no prompt are asked before it is shown.
`simulated`: the vote was cast by a program. A missing number is NaN, a missing string the empty string.
`facts`: of images that are drawn just now."""


def conform(frame: pd.DataFrame, contract: str, where: str = "") -> pd.DataFrame:
    """The table with exactly the columns and types of its contract.

    Raises:
        RunError: a column is missing, unknown or of a type that does not fit.
    """
    columns = CONTRACTS[contract]
    later = {name: held for name, held in LATER.get(contract, {}).items() if name not in frame.columns}
    frame = frame.assign(**later) if later else frame
    missing, strange = set(columns) - set(frame.columns), set(frame.columns) - set(columns)
    if missing or strange:
        parts = [f"missing {sorted(missing)}" if missing else "", f"unknown {sorted(strange)}" if strange else ""]
        raise RunError(f"table {contract}: {', '.join(filter(None, parts))}", where=where, hint="run the stage again")
    try:
        return frame[list(columns)].astype(columns).reset_index(drop=True)
    except (ValueError, TypeError) as error:
        raise RunError(f"table {contract}: {error}", where=where, hint="run the stage again") from error
