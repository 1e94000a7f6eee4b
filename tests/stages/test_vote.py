"""evalkit vote: from the images of a run to the tables of its report, and each wrong step is an error in words."""

import csv
import json

import pytest
from sqlalchemy import select

from evalkit.errors import EvalkitError, RunError, SpecError, VotingError
from evalkit.spec.resolve import resolve
from evalkit.stages import vote
from evalkit.stages.generate import generate
from evalkit.stages.simulate import simulate_panel
from evalkit.store import db
from evalkit.store.run import Run
from evalkit.store.tables import AssignmentRow, StudyRow, VoteRow
from evalkit.voting import pictures, serving
from tests.voting.studies import NOW, write_study


@pytest.fixture
def drawn(checkout, settings, monkeypatch):
    """A study whose images are there; shown at their own 64 px."""
    monkeypatch.setattr(pictures, "MIN_SIDE", 64)
    resolved = write_study(checkout, prompt_count=2, images=1, raters=3)
    generate(resolved, settings)
    return resolved


def run_of(resolved, settings) -> Run:
    return Run(settings.runs_dir / resolved.run_name)


def test_the_whole_way(drawn, settings, tmp_path):
    run = run_of(drawn, settings)
    opened = vote.open_study(drawn, settings)
    assert opened.warnings == () and opened.facts["comparisons"] == 2 and opened.facts["head"] in opened.said
    assert opened.next == "evalkit vote invite trial" and run.read_json("voting.json")["closed_at"] is None
    invited = vote.invite(drawn, settings, count=2, days=3, out=tmp_path / "links.csv")
    rows = list(csv.DictReader((tmp_path / "links.csv").open()))
    assert [row["link"] for row in rows] == invited.facts["links"] and list(rows[0]) == ["code", "link", "expires_at"]
    engine = db.connect(settings)
    with db.session(engine) as session:
        rater = serving.enter(session, rows[0]["link"].split("?t=")[1], vote._now()).rater_id
        serving.consent(session, rater, "1", vote._now())
        shown = serving.next_comparison(session, rater, vote._now())
        for question in shown.questions:
            serving.cast(session, rater, shown.assignment_id, question.name, "left", 800, vote._now(), "test")
        serving.finish(session, rater, shown.assignment_id, vote._now())
    told = vote.status(drawn, settings)
    assert told.facts["votes"] == 2 and told.facts["comparisons_finished"] == 1 and told.facts["open"]
    assert told.facts["raters"] == {"invited": 1, "voting": 1}
    assert vote.verify(drawn, settings, head=opened.facts["head"]).facts == {"faults": []}
    assert not vote.is_closed(drawn, settings)
    closed = vote.close(drawn, settings)
    votes, raters = run.read_table("votes.parquet", "votes"), run.read_table("raters.parquet", "raters")
    assert (
        len(votes) == closed.facts["votes"] == 2
        and sorted(raters["n_votes"]) == [0, 2]
        and not votes["simulated"].any()
    )
    assert set(votes["image_a"]) | set(votes["image_b"]) <= set(run.read_table("images.parquet", "images")["key"])
    record = run.read_json("voting.json")
    assert record["closed_at"] and record["head"] == closed.facts["head"]
    assert vote.is_closed(drawn, settings) and vote.verify(drawn, settings, head=record["head"]).facts == {"faults": []}
    stages = [stage["stage"] for stage in run.read_json("manifest.json")["stages"]]
    assert stages == ["generate", "vote open", "vote close"]


def test_opening_again_says_that_it_is_open_and_closing_again_writes_the_same(drawn, settings):
    vote.open_study(drawn, settings)
    files = sorted((settings.data_dir / "voting" / drawn.run_name).iterdir())
    link = run_of(drawn, settings).path("arms.json").read_bytes()
    again = vote.open_study(drawn, settings)
    assert (
        again.said.startswith("open already, since") and run_of(drawn, settings).path("arms.json").read_bytes() == link
    )
    assert sorted((settings.data_dir / "voting" / drawn.run_name).iterdir()) == files
    simulate_panel(drawn, settings, raters=2, seed=1)
    first = vote.close(drawn, settings)
    before = run_of(drawn, settings).path("votes.parquet").read_bytes()
    assert vote.close(drawn, settings).facts == first.facts
    assert run_of(drawn, settings).path("votes.parquet").read_bytes() == before
    with pytest.raises(VotingError, match="closed already"):
        vote.open_study(drawn, settings)
    with pytest.raises(VotingError, match="closed"):
        vote.invite(drawn, settings)


def test_a_simulated_panel_says_so_everywhere(drawn, settings):
    vote.open_study(drawn, settings)
    outcome = simulate_panel(drawn, settings, seed=4, planted={"system-u": 3.0, "system-v": 0.0})
    assert outcome.facts["votes"] == 3 * 2 * 2 and "simulated" in outcome.said
    assert simulate_panel(drawn, settings, seed=4, planted={"system-u": 3.0, "system-v": 0.0}).facts["votes"] == 0
    assert vote.status(drawn, settings).facts["simulated_votes"] == 12
    assert vote.close(drawn, settings).facts["simulated_votes"] == 12
    run = run_of(drawn, settings)
    assert run.read_table("votes.parquet", "votes")["simulated"].all()
    flow = run.read_json("voting.json")["raters"]
    assert flow["simulated"]["finished"] == 3 and flow["people"]["invited"] == 0
    panel = [stage for stage in run.read_json("manifest.json")["stages"] if stage["stage"] == "vote simulate"]
    assert len(panel) == 1 and panel[0]["planted_strengths"] == {"system-u": 3.0, "system-v": 0.0}


def test_more_invites_than_places_are_made_and_said(drawn, settings):
    vote.open_study(drawn, settings)
    assert vote.invite(drawn, settings, count=3).warnings == ()
    assert vote.invite(drawn, settings, count=1).warnings == ("4 invites for 3 places: who comes late finds none",)
    many = vote.invite(drawn, settings, count=11)
    assert many.facts["links"][0] not in many.said and len(many.facts["links"]) == 11


@pytest.mark.parametrize("stage", [vote.invite, vote.status, vote.verify, vote.close, simulate_panel])
def test_a_study_that_was_never_opened_is_refused_with_the_next_step(drawn, settings, stage):
    with pytest.raises(VotingError, match="not open for votes") as caught:
        stage(drawn, settings)
    assert "evalkit vote open trial" in caught.value.hint


def test_a_study_without_images_names_the_command_that_makes_them(checkout, settings):
    resolved = write_study(checkout)
    with pytest.raises(RunError, match="not there yet") as caught:
        vote.open_study(resolved, settings)
    assert "evalkit generate" in caught.value.hint


def test_a_study_without_a_voting_part_is_refused(drawn, settings, checkout):
    path = checkout / "studies/trial.yaml"
    path.write_text(path.read_text().split("voting:")[0])
    with pytest.raises(SpecError, match="has no votes"):
        vote.open_study(resolve("trial", checkout), settings)


def test_a_changed_study_file_is_another_study(drawn, settings, checkout):
    vote.open_study(drawn, settings)
    path = checkout / "studies/trial.yaml"
    path.write_text(path.read_text().replace("raters: 3", "raters: 4"))
    other = resolve("trial", checkout)
    assert other.run_name != drawn.run_name
    with pytest.raises(VotingError, match=r"the study file differs from the frozen one: voting.raters was 3, is 4"):
        vote.invite(other, settings)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda rows: setattr(rows[StudyRow], "spec", {}), "the design differs"),
        (lambda rows: setattr(rows[VoteRow], "choice", "neither"), "the votes differ"),
        (lambda rows: setattr(rows[AssignmentRow], "position", 77), "the design differs"),
    ],
)
def test_verify_finds_what_was_changed_after_closing(drawn, settings, damage, said):
    vote.open_study(drawn, settings)
    engine = db.connect(settings)
    with db.session(engine) as session:
        rater = serving.invites.invite(session, 1, count=1, valid_days=1, now=NOW)[0].rater_id
        serving.consent(session, rater, "1", NOW)
        shown = serving.next_comparison(session, rater, NOW)
        serving.cast(session, rater, shown.assignment_id, "aesthetics", "left", 800, NOW, "test")
    vote.close(drawn, settings)
    vote.verify(drawn, settings)
    with db.session(engine) as session:
        damage(
            {
                table: session.scalars(select(table).order_by(table.id)).first()
                for table in (StudyRow, VoteRow, AssignmentRow)
            }
        )
    with pytest.raises(EvalkitError, match=said):
        vote.verify(drawn, settings)


def test_verify_finds_a_picture_that_was_changed(drawn, settings):
    vote.open_study(drawn, settings)
    path = next((settings.data_dir / "voting" / drawn.run_name).glob("*.png"))
    path.write_bytes(path.read_bytes() + b"system-u")
    with pytest.raises(VotingError, match="bytes after its end"):
        vote.verify(drawn, settings)


def test_closing_without_the_link_keeps_the_study_open(drawn, settings):
    vote.open_study(drawn, settings)
    link = run_of(drawn, settings).path("arms.json")
    content = link.read_bytes()
    link.unlink()
    with pytest.raises(RunError, match="link between arms and systems is missing"):
        vote.close(drawn, settings)
    assert not vote.is_closed(drawn, settings)
    link.write_bytes(content)
    assert vote.close(drawn, settings).facts["votes"] == 0


def test_what_the_stages_say_is_json(drawn, settings):
    said = [vote.open_study(drawn, settings), vote.invite(drawn, settings), vote.status(drawn, settings)]
    said += [vote.verify(drawn, settings), simulate_panel(drawn, settings), vote.close(drawn, settings)]
    for outcome in said:
        assert json.loads(json.dumps(outcome.as_json()))["said"]
