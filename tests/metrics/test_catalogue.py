"""The table of metrics is what the files say, in the README and in `evalkit ls metrics`."""

from evalkit import registry
from evalkit.metrics._catalogue import README, as_markdown
from evalkit.stages.ls import ls


def is_current(written: str) -> bool:
    return written == as_markdown()


def test_the_readme_is_current_and_a_planted_change_is_seen():
    written = README.read_text(encoding="utf-8")
    assert is_current(written), "python -m evalkit.metrics._catalogue"
    assert not is_current(written.replace("0 to 100", "0 to 99", 1))


def test_ls_shows_every_metric_with_range_direction_and_place(settings):
    outcome = ls("metrics", settings)
    rows = {row["name"]: row for row in outcome.facts["metrics"]}
    assert list(rows) == registry.names("metrics")
    assert (rows["clip_score"]["range"], rows["clip_score"]["direction"]) == ("0 to 100", "higher")
    assert rows["fid"]["file"] == "evalkit/metrics/fid.py" and rows["fid"]["reads"] in outcome.said
    assert rows["pick_score"]["network"] == "pickscore-v1"
