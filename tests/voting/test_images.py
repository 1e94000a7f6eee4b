"""Image addresses: they open for the rater who is at the comparison, and for nobody else."""

import hashlib
import threading

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from evalkit.errors import UnavailableError, VotingError
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, ImageRow, RaterRow, SheetRow
from evalkit.voting import closing, images, invites
from tests.voting.studies import NOW


@pytest.fixture
def files(trial, settings):
    """The trial's picture files: each holds its own key."""
    with db.session(trial.engine, reading=True) as session:
        for row in session.scalars(select(ImageRow)):
            path = settings.data_dir / row.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row.key)


def token_sha(trial, rater):
    with db.session(trial.engine, reading=True) as session:
        return session.get(RaterRow, rater).token_sha


def ask(trial, settings, rater, key):
    secret = images.signing_secret(settings)
    _, folder, asked, mac = images.image_path(secret, token_sha(trial, rater), key).split("/")
    assert folder == "img"
    with db.session(trial.engine, reading=True) as session:
        return images.image_bytes(session, settings, asked, mac)


def keys_at(trial, rater, position):
    with db.session(trial.engine, reading=True) as session:
        item = session.scalars(
            select(AssignmentRow).join(SheetRow).where(SheetRow.rater_id == rater, AssignmentRow.position == position)
        ).one()
        return [item.comparison.image_a.key, item.comparison.image_b.key]


def test_a_rater_sees_the_current_pair_the_next_and_the_one_before(trial, settings, files):
    rater = trial.arrive()[0]
    for _ in range(2):
        trial.answer(rater)
    trial.show(rater)
    for position in (2, 3, 4):
        for key in keys_at(trial, rater, position):
            assert ask(trial, settings, rater, key).decode() == key
    for position in (1, 5, 8):
        for key in keys_at(trial, rater, position):
            with pytest.raises(VotingError, match="no such image"):
                ask(trial, settings, rater, key)


def test_an_address_is_good_for_one_rater_only(trial, settings, files):
    first, second = trial.arrive(2)
    shown = trial.show(first)
    secret = images.signing_secret(settings)
    mine, others = (images.image_mac(secret, token_sha(trial, rater), shown.left) for rater in (first, second))
    assert mine != others
    for key, mac in ((shown.left, others), (shown.right, mine), (shown.left, "0" * 32), (shown.left, "ü"), ("x", mine)):
        with pytest.raises(VotingError, match="no such image"), db.session(trial.engine, reading=True) as session:
            images.image_bytes(session, settings, key, mac)


def test_no_picture_after_closing_or_withdrawal(trial, settings, files):
    rater, gone = trial.arrive(2)
    key, lost = trial.show(rater).left, trial.show(gone).left
    with db.session(trial.engine) as session:
        invites.revoke(session, gone, NOW)
    with pytest.raises(VotingError, match="no such image"):
        ask(trial, settings, gone, lost)
    assert ask(trial, settings, rater, key).decode() == key
    with db.session(trial.engine) as session:
        closing.set_closed(session, trial.study_id, NOW)
    with pytest.raises(VotingError, match="no such image"):
        ask(trial, settings, rater, key)


def test_a_file_that_is_gone_is_an_error_without_its_place(trial, settings):
    rater = trial.arrive()[0]
    with pytest.raises(UnavailableError) as caught:
        ask(trial, settings, rater, trial.show(rater).left)
    assert str(settings.data_dir) not in str(caught.value)


def test_the_secret_is_made_once_even_by_many_at_a_time(settings):
    found = []
    threads = [threading.Thread(target=lambda: found.append(images.signing_secret(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1 and len(found[0]) == 64
    assert (settings.data_dir / "voting" / ".secret").stat().st_mode & 0o077 == 0
    assert [path.name for path in (settings.data_dir / "voting").iterdir()] == [".secret"]
    own = settings.model_copy(update={"secret": SecretStr("from the environment")})
    assert images.signing_secret(own) == b"from the environment"


def test_an_address_is_the_documented_hmac():
    import hmac

    mac = hmac.new(b"s", b"tokensha00000000|key", hashlib.sha256).hexdigest()[:32]
    assert images.image_path(b"s", "tokensha" + 8 * "0", "key") == f"/img/key/tokensha0000{mac}"  # whose, and the proof
