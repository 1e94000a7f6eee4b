"""Backups: of one moment, while raters vote; whole or not at all; what was damaged is refused."""

import json
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from evalkit.errors import EvalkitError, VotingError
from evalkit.store import db
from evalkit.store.tables import ImageRow, VoteRow
from evalkit.voting import backing_up, seals, serving
from tests.voting import databases
from tests.voting.studies import NOW, Trial


@pytest.fixture
def target(kind, tmp_path):
    """An empty database of the same kind."""
    if kind == "sqlite":
        opened = db.open_engine(f"sqlite:///{tmp_path / 'restored' / 'votes.db'}")
        yield opened
        opened.dispose()
        return
    with databases.postgres("template1") as url:
        opened = db.open_engine(url)
        yield opened
        opened.dispose()


@pytest.fixture
def data(trial, tmp_path) -> Path:
    """A data folder with the trial's picture files, all empty as it says."""
    with db.session(trial.engine, reading=True) as session:
        for row in session.scalars(select(ImageRow)):
            (tmp_path / "data" / row.path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / row.path).write_bytes(b"")
    return tmp_path / "data"


def votes(engine) -> int:
    with db.session(engine, reading=True) as session:
        return session.scalar(select(func.count(VoteRow.id)))


def back_up(trial: Trial, data: Path, out: Path, **options):
    return backing_up.back_up(trial.engine, data, out, NOW, os.environ, **options)


def test_a_backup_that_is_restored_is_the_study_as_it_was(trial, data, target, tmp_path):
    rater = trial.arrive()[0]
    trial.answer(rater)
    record = back_up(trial, data, tmp_path / "saved")
    trial.answer(rater)
    assert record["studies"][0]["votes"] == 2 and len(record["pictures"]) == 16
    backing_up.restore(target, tmp_path / "elsewhere", tmp_path / "saved", os.environ)
    assert votes(target) == 2 and backing_up.missing_pictures(record, tmp_path / "elsewhere") == []
    with db.session(target) as session:
        assert seals.verify(session, trial.study_id, record["studies"][0]["head"]) == []
        assert serving.next_comparison(session, rater, NOW).position == 2
    with pytest.raises(VotingError, match="does not overwrite"):
        backing_up.restore(target, data, tmp_path / "saved", os.environ)
    with pytest.raises(VotingError, match="there already"):
        back_up(trial, data, tmp_path / "saved")


def test_a_backup_while_raters_vote_is_of_one_moment(trial, data, target, tmp_path):
    raters, errors = trial.arrive(4), []

    def work(rater: int) -> None:
        try:
            for _ in range(8):
                trial.answer(rater)
        except EvalkitError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[rater]) for rater in raters]
    for thread in threads:
        thread.start()
    records = [back_up(trial, data, tmp_path / f"saved-{number}", images=False) for number in range(3)]
    for thread in threads:
        thread.join()
    assert errors == [] and votes(trial.engine) == 64
    backing_up.restore(target, data, tmp_path / "saved-1", os.environ)
    assert votes(target) == records[1]["studies"][0]["votes"] <= records[2]["studies"][0]["votes"]
    assert not list((tmp_path / "saved-1").glob("voting/**/*.png")) and len(records[1]["pictures"]) == 16


def test_what_was_damaged_or_belongs_elsewhere_is_refused(trial, data, target, tmp_path, kind):
    saved = tmp_path / "saved"
    record = back_up(trial, data, saved)
    file = saved / record["database"]
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(VotingError, match="the backup is damaged"):
        backing_up.restore(target, data, saved, os.environ)
    file.write_bytes(content)
    told = json.loads((saved / "backup.json").read_text())
    other = next(name for name in backing_up.NAMES.values() if name != told["database"])
    (saved / other).write_bytes(content)
    (saved / "backup.json").write_text(json.dumps(told | {"database": other}))
    with pytest.raises(VotingError, match=f"the database is {kind}"):
        backing_up.restore(target, data, saved, os.environ)
    with pytest.raises(VotingError, match="no backup"):
        backing_up.restore(target, data, tmp_path, os.environ)


def test_a_tampered_study_is_not_backed_up_and_leaves_no_folder(trial, data, tmp_path):
    trial.answer(trial.arrive()[0])
    with trial.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE prompt SET text = 'forged'")
    with pytest.raises(VotingError, match="the design differs"):
        back_up(trial, data, tmp_path / "saved")
    assert not (tmp_path / "saved").exists() and not list(tmp_path.glob(".saved*"))


def test_a_picture_that_is_missing_stops_the_backup(trial, data, tmp_path):
    next(data.glob("voting/**/*.png")).unlink()
    with pytest.raises(VotingError, match="a picture is missing"):
        back_up(trial, data, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    assert len(back_up(trial, data, tmp_path / "saved", images=False)["pictures"]) == 16
