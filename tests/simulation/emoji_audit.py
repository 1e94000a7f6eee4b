"""The figures of the embedded pair's language audit as EMOJI_AUDIT.md: `python tests/simulation/emoji_audit.py RUN`.

RUN is the folder of a finished run of studies/emoji-audit.yaml (that of the slow test in
tests/stages/test_emoji_audit.py, say, which holds it to its targets).
"""

import sys
from pathlib import Path

import pandas as pd

from evalkit.store.run import Run

TARGET = Path(__file__).with_name("EMOJI_AUDIT.md")
HEAD = """# The language audit of the embedded pair: gaps, and the control that must have none

Written by `python tests/simulation/emoji_audit.py RUN` from a run of studies/emoji-audit.yaml; held to its targets by
`pytest -m slow tests/stages/test_emoji_audit.py`.

{images} images, both systems, embedded weights ({models}); evalkit's commit {commit}, {day}, {machine}. Score: {score}.

Targets: every language has a gap (Holm-adjusted p under .05, interval below 0); the control, English in a held-out
wording, is equivalent to English within a third of the smallest gap (TOST, 5 %: its 90 % interval inside the margin).

| system | language | prompts | score | gap (95 %) | p, Holm | share lost (95 %) |
|---|---|---|---|---|---|---|
"""
CONTROL = """
| system | control | prompts | difference (95 %) | 90 % interval of TOST | margin | p, TOST | verdict |
|---|---|---|---|---|---|---|---|
"""
END = """
Equivalent is not equal: the reworded prompts score lower by the differences above, which by the t test alone are not
zero (p = {raw}). They are small beside the gaps, which is what the control is for.
"""


def as_markdown(run: Run) -> str:
    table = run.read_table("audit.parquet", "audit")
    mine = table[table["check"] == "language_gap"].set_index(["measure", "system", "lang"])
    gaps = mine.loc["gap"]
    languages = [_language(mine, *place) for place in gaps.index if "-x-" not in place[1]]
    controls = [_control(mine, *place) for place in gaps.index if "-x-" in place[1]]
    raw = " and ".join(f"{p:.2g}" for (_, lang), p in gaps["p"].items() if "-x-" in lang)
    return _head(run, mine) + "\n".join(languages) + "\n" + CONTROL + "\n".join(controls) + "\n" + END.format(raw=raw)


def _head(run: Run, mine: pd.DataFrame) -> str:
    drawn = run.read_json("manifest.json")["stages"][0]
    return HEAD.format(
        images=drawn["listed"],
        models=", ".join(f"{name} {sha[:8]}" for name, sha in drawn["models"].items()),
        commit=drawn["git"][:9],
        day=drawn["finished_at"][:10],
        machine=f"{drawn['hardware']['processor']}, {drawn['hardware']['torch_threads']} thread",
        score=f"`{mine['signature'].iloc[0]}`",
    )


def _language(mine: pd.DataFrame, system: str, lang: str) -> str:
    score, gap, lost = (mine.loc[(measure, system, lang)] for measure in ("score", "gap", "share lost"))
    cells = (system, lang, gap["prompts"], f"{score['value']:.1f}", _interval(gap, 1, 1))
    return f"| {' | '.join(map(str, cells))} | {gap['p_holm']:.1e} | {_interval(lost, 100, 0)} % |"


def _control(mine: pd.DataFrame, system: str, lang: str) -> str:
    gap, tested = (mine.loc[(measure, system, lang)] for measure in ("gap", "equivalence"))
    verdict, margin = tested["note"].split(",")[0].split(" within ")
    inside = f"{tested['low']:.1f} to {tested['high']:.1f}"
    cells = (system, lang, gap["prompts"], _interval(gap, 1, 1), inside, margin, f"{tested['p']:.1e}", verdict)
    return f"| {' | '.join(map(str, cells))} |"


def _interval(row: pd.Series, factor: int, digits: int) -> str:
    value, low, high = (f"{row[name] * factor:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    TARGET.write_text(as_markdown(Run(Path(sys.argv[1]))), encoding="utf-8")
