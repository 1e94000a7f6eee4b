"""Letters that are committed together: each gets its own answer, and one that fails spoils no other."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, func, select

from app import answering
from app.answering import Letter
from app.batches import MOST, Batches
from evalkit.errors import NotSavedError, VotingError
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, SheetRow, VoteRow
from evalkit.voting import serving
from tests.app.serving import beside, this_process_has

NOW = datetime.now(UTC)


def gathered(batches, asked):
    async def all_at_once():
        return await asyncio.gather(*(batches.ask(one) for one in asked), return_exceptions=True)

    return beside(lambda: asyncio.run(all_at_once()))


def test_everybody_gets_their_own_result_and_what_waits_is_done_together():
    sizes = []

    def work(batch):
        sizes.append(len(batch))
        return [ValueError(one) if one % 7 == 3 else 10 * one for one in batch]

    results = gathered(Batches(work), range(100))
    for one, result in enumerate(results):
        assert str(result) == str(one) if one % 7 == 3 else result == 10 * one
    assert sum(sizes) == 100 and max(sizes) == MOST and len(sizes) <= 5


def test_what_the_work_raises_befalls_the_whole_batch_and_the_next_one_goes_on():
    def work(batch):
        if 5 in batch:
            raise NotSavedError("full")
        return list(batch)

    batches = Batches(work)
    assert all(isinstance(result, NotSavedError) for result in gathered(batches, range(10)))
    assert gathered(batches, range(6, 12)) == list(range(6, 12))


def test_one_who_gives_up_waiting_leaves_the_others_alone():
    batches = Batches(lambda batch: [10 * one for one in batch])

    async def impatient():
        gone, stays = asyncio.ensure_future(batches.ask(1)), asyncio.ensure_future(batches.ask(2))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert beside(lambda: asyncio.run(impatient())) == 20


@pytest.fixture
def letters(trial, monkeypatch):
    """Four raters at their first comparison, each with a letter that answers it."""
    made = []
    for number in range(4):
        invite = trial.invite()
        with db.session(trial.engine) as session:
            serving.consent(session, invite.rater_id, "1", NOW)
            shown = serving.next_comparison(session, invite.rater_id, NOW)
        about = {"assignment": shown.assignment_id, "id": f"{number}"}
        cast = {"do": "cast", "question": "aesthetics", "choice": "left", "response_ms": 5, **about}
        made.append((invite, {"token": invite.token, "lang": "en", "outbox": [cast]}))
    with this_process_has(trial.settings, monkeypatch):
        yield made


def written(trial, invite):
    mine = select(func.count(VoteRow.id)).join(AssignmentRow).join(SheetRow).where(SheetRow.rater_id == invite.rater_id)
    with db.session(trial.engine, reading=True) as session:
        return session.scalar(mine)


def settled(letters):
    return answering._settle_together([(Letter.model_validate_json(json.dumps(one)), NOW) for _, one in letters])


def test_a_refused_letter_and_a_broken_one_leave_the_others_and_all_is_one_commit(trial, letters, monkeypatch):
    letters[1][1]["token"] = "nobody's"
    broken, settle = letters[2][0].token, answering._settle

    def breaks(session, letter, now):
        found = settle(session, letter, now)
        if letter.token == broken:  # after its vote was written
            raise RuntimeError("a bug")
        return found

    monkeypatch.setattr(answering, "_settle", breaks)
    commits = []
    event.listen(answering.engine(), "commit", lambda connection: commits.append(1))
    first, unknown, bug, last = settled(letters)
    assert (first["acknowledged"], last["acknowledged"]) == ({"0": None}, {"3": None}) and len(commits) == 1
    assert isinstance(unknown, VotingError) and isinstance(bug, RuntimeError)
    assert [written(trial, invite) for invite, _ in letters] == [1, 0, 0, 1]


def test_a_database_that_takes_nothing_acknowledges_nobody(trial, letters):
    def refuse(connection):
        connection.exec_driver_sql("PRAGMA query_only=ON")

    event.listen(answering.engine(), "begin", refuse)
    with pytest.raises(NotSavedError, match="nothing was saved"):
        settled(letters)
    assert [written(trial, invite) for invite, _ in letters] == [0, 0, 0, 0]
