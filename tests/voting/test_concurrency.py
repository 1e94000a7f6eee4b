"""Many raters at once, many tabs of one rater, and power cuts: what was acknowledged is there, and nothing twice."""

import subprocess
import sys
import threading
from collections import Counter

import pytest
from sqlalchemy import func, select

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, SheetRow, VoteRow
from evalkit.voting import seals, serving
from tests.voting.studies import NOW, Trial, freeze, write_study

QUESTIONS = 2
THREADS, PROCESSES = 10, 3


@pytest.fixture
def crowd(engine, checkout, settings) -> Trial:
    """A study with a place for every thread and process."""
    return freeze(engine, write_study(checkout, prompt_count=2, images=1, raters=THREADS + PROCESSES), settings)


def url_of(trial: Trial) -> str:
    return trial.engine.url.render_as_string(hide_password=False)


def start(trial: Trial, rater: int, mode: str = "honest") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.voting.voter", url_of(trial), str(rater), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def stored(trial: Trial) -> Counter[str]:
    with db.session(trial.engine, reading=True) as session:
        votes = session.scalars(select(VoteRow)).all()
        return Counter(f"{vote.assignment_id} {vote.question} {vote.choice}" for vote in votes)


def lost_or_twice(acknowledged: list[str], trial: Trial) -> list[str]:
    """Acknowledged answers that are not in the database exactly once."""
    there = stored(trial)
    places = Counter(line.rsplit(" ", 1)[0] for line in there.elements())
    return [line for line in acknowledged if there[line] != 1 or places[line.rsplit(" ", 1)[0]] != 1]


def test_threads_and_processes_vote_at_the_same_time(crowd):
    raters = crowd.arrive(THREADS + PROCESSES)
    errors: list[BaseException] = []

    def work(rater: int) -> None:
        try:
            while True:
                with db.session(crowd.engine) as session:
                    if serving.next_comparison(session, rater, NOW) is None:
                        return
                crowd.answer(rater)
        except BaseException as error:
            errors.append(error)

    processes = [start(crowd, rater) for rater in raters[THREADS:]]
    threads = [threading.Thread(target=work, args=[rater]) for rater in raters[:THREADS]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [process.communicate(timeout=200)[0].split("\n")[:-1] for process in processes]
    assert errors == [] and [process.returncode for process in processes] == [0] * PROCESSES
    assert lost_or_twice([line for lines in said for line in lines], crowd) == []
    assert sum(stored(crowd).values()) == (THREADS + PROCESSES) * 2 * QUESTIONS
    with db.session(crowd.engine, reading=True) as session:
        assert sorted(session.scalars(select(SheetRow.rater_id))) == sorted(raters)
        assert session.scalar(select(func.count()).where(AssignmentRow.finished_at.is_(None))) == 0
        assert seals.verify(session, crowd.study_id) == []


def test_many_tabs_of_one_rater_are_one_rater(crowd):
    rater = crowd.arrive()[0]
    refused: list[VotingError] = []
    barrier = threading.Barrier(6)

    def tab(choice: str) -> None:
        barrier.wait()
        while True:
            with db.session(crowd.engine) as session:
                shown = serving.next_comparison(session, rater, NOW)
            if shown is None:
                return
            try:
                for question in shown.questions:
                    with db.session(crowd.engine) as session:
                        serving.cast(session, rater, shown.assignment_id, question.name, choice, 9, NOW, "test")
                with db.session(crowd.engine) as session:
                    serving.finish(session, rater, shown.assignment_id, NOW)
            except VotingError as error:
                refused.append(error)

    tabs = [threading.Thread(target=tab, args=[choice]) for choice in ("left", "right", "tie") * 2]
    for thread in tabs:
        thread.start()
    for thread in tabs:
        thread.join()
    assert {error.what for error in refused} <= {"This comparison is not the one being asked."}
    assert sum(stored(crowd).values()) == 2 * QUESTIONS
    with db.session(crowd.engine, reading=True) as session:
        assert session.scalar(select(func.count(SheetRow.rater_id))) == 1


@pytest.mark.parametrize("answers", [1, 6])
def test_what_was_acknowledged_survives_kill_nine_and_the_rater_goes_on(trial, answers):
    rater = trial.arrive()[0]
    process = start(trial, rater)
    acknowledged = [process.stdout.readline().strip() for _ in range(answers)]
    process.kill()
    acknowledged += process.communicate(timeout=60)[0].split("\n")[:-1]
    assert process.returncode == -9 and lost_or_twice(acknowledged, trial) == []
    rest = start(trial, rater).communicate(timeout=200)[0].split("\n")[:-1]
    assert lost_or_twice(acknowledged + rest, trial) == []
    assert sum(stored(trial).values()) == 8 * QUESTIONS
    again = {line.split()[0] for line in set(acknowledged) & set(rest)}
    assert len(again) <= 1  # answers of the comparison that was cut off may be sent again: they are the same


def test_an_acknowledgement_before_the_commit_would_be_found(trial):
    rater = trial.arrive()[0]
    process = start(trial, rater, "hasty")
    acknowledged = [process.stdout.readline().strip() for _ in range(3)]
    process.kill()
    process.communicate(timeout=60)
    assert lost_or_twice(acknowledged, trial) == acknowledged[-1:]
