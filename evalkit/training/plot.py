"""Draws the logs of a training: the loss of each phase against the samples seen, one picture for each network."""

import json
from pathlib import Path
from typing import Any

NETWORKS = {"autoencoder": "emoji-sd", "clip": "emoji-clip", "sd": "emoji-sd", "nas": "emoji-nas"}
"""folder of the log -> model whose card shows it"""


def plot_logs(work: Path, out: Path) -> list[Path]:
    """Write OUT/MODEL/training-NETWORK.svg and .jsonl for each network that has a log under `work`."""
    import altair as alt

    written = []
    for network, model in NETWORKS.items():
        log = work / network / "log.jsonl"
        if not log.is_file():
            continue
        rows = read_log(log)
        (out / model).mkdir(parents=True, exist_ok=True)
        target = out / model / f"training-{network}"
        target.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        chart = alt.Chart(alt.InlineData(values=rows)).mark_line(point={"size": 12}, strokeWidth=1.2)
        chart = chart.encode(
            x=alt.X("seen:Q", title="samples seen", axis=alt.Axis(grid=False, format="~s")),
            y=alt.Y("loss:Q", title="loss, mean of 50 steps", axis=alt.Axis(grid=False), scale=alt.Scale(type="log")),
            color=alt.Color("phase:N", title="", scale=alt.Scale(range=["#0072B2", "#D55E00", "#009E73", "#CC79A7"])),
        )
        chart.properties(width=520, height=200, title=_title(network, rows)).save(str(target.with_suffix(".svg")))
        written.append(target.with_suffix(".svg"))
    return written


def read_log(log: Path) -> list[dict[str, Any]]:
    """The lines of a log; `seen` counts samples over all phases, and a step taken twice (a run cut off) once."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    once = {(line["phase"], line["step"]): line for line in lines}
    before, rows = 0, list[dict[str, Any]]()
    for line in once.values():
        if rows and line["phase"] != rows[-1]["phase"]:
            before = rows[-1]["seen"]
        rows.append({**line, "seen": before + line["samples"]})
    return rows


def _title(network: str, rows: list[dict[str, Any]]) -> str:
    """What the curve ends in, and the minutes of all phases."""
    last = {row["phase"]: row["seconds"] for row in rows}
    minutes = sum(last.values()) / 60
    return f"{network}: loss {rows[-1]['loss']:.3f} after {rows[-1]['seen']:,} samples, {minutes:.0f} minutes"
