"""Full disks, locked databases, killed servers: what was acknowledged is there, once; the rest is said not to be."""

import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, text

from evalkit.errors import EvalkitError, VotingError
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, SheetRow, VoteRow
from evalkit.voting import seals, serving
from evalkit.voting.server import CHECKOUT, command
from evalkit.voting.visit import Visit
from tests.voting.studies import NOW, freeze, write_study

RATERS = 4


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 1.5 MB of its own, as root on Linux only."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def stored(engine) -> Counter[tuple[int, str]]:
    with db.session(engine, reading=True) as session:
        return Counter((vote.assignment_id, vote.question) for vote in session.scalars(select(VoteRow)))


def test_a_full_disk_is_said_and_leaves_nothing_half_written(small_disk, checkout, settings):
    engine = db.open_engine(f"sqlite:///{small_disk / 'votes.db'}")
    db.upgrade(engine)
    trial = freeze(engine, write_study(checkout, raters=40), settings)
    raters, acknowledged = trial.arrive(40), []
    filler = small_disk / "filler"
    filler.write_bytes(b"\0" * max(0, os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - 16_384))

    def vote() -> None:
        for rater in raters:
            for _ in range(8):
                shown = trial.show(rater)
                for question in shown.questions:
                    with db.session(engine) as session:
                        serving.cast(session, rater, shown.assignment_id, question.name, "left", 9, NOW, "test")
                    acknowledged.append((shown.assignment_id, question.name))
                with db.session(engine) as session:
                    serving.finish(session, rater, shown.assignment_id, NOW)

    with pytest.raises(VotingError, match="the disk is full; nothing was saved"):
        vote()
    assert stored(engine) == Counter(acknowledged)
    filler.unlink()
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    for rater in raters[:3]:
        trial.answer(rater)
    with db.session(engine, reading=True) as session:
        assert seals.verify(session, trial.study_id) == []
    engine.dispose()


def test_a_locked_database_is_said_and_free_again_goes_on(sqlite_trial):
    rater = sqlite_trial.arrive()[0]
    shown = sqlite_trial.show(rater)
    hasty = db.open_engine(sqlite_trial.engine.url.render_as_string(), busy_seconds=0.3)
    with sqlite_trial.engine.connect() as other:
        other.exec_driver_sql("UPDATE vote SET response_ms = 0")
        with pytest.raises(VotingError, match="the database is busy; nothing was saved"), db.session(hasty) as session:
            serving.cast(session, rater, shown.assignment_id, "aesthetics", "left", 9, NOW, "test")
        assert stored(hasty) == Counter()
    with db.session(hasty) as session:
        serving.cast(session, rater, shown.assignment_id, "aesthetics", "left", 9, NOW, "test")
    assert stored(hasty) == {(shown.assignment_id, "aesthetics"): 1}
    hasty.dispose()


@contextmanager
def real_server(settings, log: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The raters' app in a process that can be killed."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command("rater", port, "127.0.0.1"), cwd=CHECKOUT, env=settings.environment(), stdout=out, stderr=out
        )
    try:
        _wait(port, process)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    import requests

    for _ in range(1200):
        try:
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
        assert process.poll() is None
    raise AssertionError("the app does not start")


@pytest.mark.slow
def test_a_server_killed_under_load_has_lost_no_acknowledged_answer_and_raters_go_on(tmp_path):
    """Real Streamlit, real websockets, kill -9 in the middle, restart; then all sheets are finished."""
    from datetime import UTC, datetime

    from evalkit.settings import Settings
    from evalkit.voting import invites
    from evalkit.voting.server import _free_port

    own = Settings(root=tmp_path, data=tmp_path / "data")
    for folder in ("studies", "data/models", "data/prompts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/questions").symlink_to(CHECKOUT / "data/questions")
    engine = db.connect(own)
    trial = freeze(engine, write_study(tmp_path, raters=RATERS), own)
    with db.session(engine) as session:
        now = datetime.now(UTC)
        tokens = [i.token for i in invites.invite(session, trial.study_id, count=RATERS, valid_days=1, now=now)]
    port, acknowledged, lock = _free_port(), [], threading.Lock()
    address = f"http://127.0.0.1:{port}"

    def work(token: str) -> None:
        try:
            with Visit(address, token) as visit:
                if visit.comparison is None:
                    visit.consent()
                while visit.comparison is not None:
                    shown = visit.comparison
                    visit.answer({question["name"]: "tie" for question in shown["questions"]})
                    with lock:
                        acknowledged.extend((shown["assignment"], q["name"]) for q in shown["questions"])
        except Exception as error:  # a dropped connection has many names
            assert not isinstance(error, AssertionError)

    def all_at_once() -> list[threading.Thread]:
        threads = [threading.Thread(target=work, args=[token]) for token in tokens]
        for thread in threads:
            thread.start()
        return threads

    with real_server(own, tmp_path / "log", port) as process:
        threads = all_at_once()
        while len(acknowledged) < 10:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join()
    before = list(acknowledged)
    there = stored(engine)
    assert [one for one in before if there[one] != 1] == [] and set(there.values()) == {1}
    assert len(before) < RATERS * 16
    with real_server(own, tmp_path / "log", port):
        for thread in all_at_once():
            thread.join()
    there = stored(engine)
    assert len(there) == RATERS * 16 and set(there.values()) == {1}
    with db.session(engine, reading=True) as session:
        assert seals.verify(session, trial.study_id) == []
        assert session.scalars(select(AssignmentRow.finished_at).where(AssignmentRow.finished_at.is_(None))).all() == []
        assert len(set(session.scalars(select(SheetRow.rater_id)))) == RATERS
    with engine.connect() as connection:
        tables = ("rater", "vote", "event", "sheet", "assignment")
        told = str([connection.execute(text(f"SELECT * FROM {name}")).all() for name in tables])  # noqa: S608
    assert "127.0.0.1" not in told and not re.search(r"\b\d{1,3}(\.\d{1,3}){3}\b", told)  # no address of anybody


def test_an_error_in_the_middle_of_an_answer_keeps_nothing_of_it(trial):
    rater = trial.arrive()[0]
    shown = trial.show(rater)
    with pytest.raises(EvalkitError), db.session(trial.engine) as session:
        serving.cast(session, rater, shown.assignment_id, "aesthetics", "left", 9, NOW, "test")
        serving.finish(session, rater, shown.assignment_id, NOW)
    assert stored(trial.engine) == Counter() and trial.show(rater).answers == {}


@pytest.mark.slow
@pytest.mark.postgres
def test_two_servers_on_one_postgresql_need_no_affinity_for_images_and_sessions(tmp_path, require):
    """A rater's address of an image from one replica is answered by the other; their sheet goes on there as well."""
    from datetime import UTC, datetime

    import requests

    from evalkit.settings import Settings
    from evalkit.voting import invites
    from evalkit.voting.server import _free_port
    from tests.voting import databases

    require("postgres")
    for folder in ("studies", "data/models", "data/prompts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/questions").symlink_to(CHECKOUT / "data/questions")
    with databases.postgres(databases.migrated_postgres()) as url:
        own = Settings(root=tmp_path, data=tmp_path / "data", database_url=url, secret="a shared one")
        engine, ports = db.open_engine(url), (_free_port(), _free_port())
        trial = freeze(engine, write_study(tmp_path, raters=1), own)
        for key in trial.link.images:
            (tmp_path / f"data/voting/none/{key}.png").parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / f"data/voting/none/{key}.png").write_bytes(b"\x89PNG")
        with db.session(engine) as session:
            now = datetime.now(UTC)
            token = invites.invite(session, trial.study_id, count=1, valid_days=1, now=now)[0].token
        one, other = (f"http://127.0.0.1:{port}" for port in ports)
        with real_server(own, tmp_path / "log-1", ports[0]), real_server(own, tmp_path / "log-2", ports[1]):
            with Visit(one, token) as visit:
                visit.consent()
                shown = visit.comparison
                assert shown is not None
                assert [requests.get(other + shown[side], timeout=30).status_code for side in ("left", "right")] == [
                    200,
                    200,
                ]
                visit.answer({question["name"]: "tie" for question in shown["questions"]})
            with Visit(other, token) as visit:
                assert visit.comparison is not None and visit.comparison["position"] == 2
                assert requests.get(one + visit.comparison["left"], timeout=30).status_code == 200
        engine.dispose()
