"""The pictures of a study, for the rater who is looking at them now and for nobody else."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from evalkit.errors import UnavailableError, VotingError
from evalkit.settings import Settings
from evalkit.store.files import write_bytes
from evalkit.store.tables import AssignmentRow, ComparisonRow, ImageRow, RaterRow, SheetRow, StudyRow
from evalkit.voting import worksheets

MAC_DIGITS = 32  # 128 bits
HINT_DIGITS = 12
"""Of the token's hash, in front of the code, so that the rater is found without trying everybody's"""


def signing_secret(settings: Settings) -> bytes:
    """The key of the image addresses: EVALKIT_SECRET, else a file in the data folder, made on first use."""
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = settings.data_dir / "voting" / ".secret"
    if not path.is_file():
        _make_secret(path)
    return path.read_bytes()


def _make_secret(path: Path) -> None:
    """Writes the file aside and links it into place: of several processes, the first one's stays."""
    own = path.with_name(f".secret-{secrets.token_hex(4)}")
    write_bytes(own, secrets.token_hex(32).encode())
    own.chmod(0o600)
    with suppress(FileExistsError):
        path.hardlink_to(own)
    own.unlink()


def image_path(secret: bytes, token_sha: str, image_key: str) -> str:
    """The address of an image for one rater, `/img/KEY/MAC`; each rater has another one."""
    return f"/img/{image_key}/{image_mac(secret, token_sha, image_key)}"


def image_mac(secret: bytes, token_sha: str, image_key: str) -> str:
    """Which rater, and the proof that the address was made here."""
    code = hmac.new(secret, f"{token_sha}|{image_key}".encode(), hashlib.sha256).hexdigest()
    return token_sha[:HINT_DIGITS] + code[:MAC_DIGITS]


def image_bytes(session: Session, settings: Settings, image_key: str, mac: str) -> bytes:
    """The PNG behind an address: the rater is found by the address itself.

    Raises:
        VotingError: not an address of an image of the comparison that a rater of an open study is at, of the next one
            (loaded ahead) or of the one before (to undo).
    """
    secret = signing_secret(settings)
    image = session.scalar(select(ImageRow).where(ImageRow.key == image_key))
    if image is None:
        raise VotingError("no such image")
    for assignment_id, sheet_id, token_sha in _seats(session, image, mac[:HINT_DIGITS]):
        expected = image_mac(secret, token_sha, image_key)
        proven = hmac.compare_digest(expected.encode(), mac.encode("utf-8", "replace"))
        if proven and worksheets.work(session, sheet_id).near(assignment_id):
            return _read(settings.data_dir / Path(image.path))
    raise VotingError("no such image")


def _seats(session: Session, image: ImageRow, hint: str) -> list[tuple[int, int, str]]:
    """Where raters of an open study meet the image (assignment, its sheet), and the hash of their token."""
    query = (
        select(AssignmentRow.id, AssignmentRow.sheet_id, RaterRow.token_sha)
        .join(ComparisonRow, AssignmentRow.comparison_id == ComparisonRow.id)
        .join(SheetRow, AssignmentRow.sheet_id == SheetRow.id)
        .join(RaterRow, SheetRow.rater_id == RaterRow.id)
        .join(StudyRow, SheetRow.study_id == StudyRow.id)
        .where(or_(ComparisonRow.image_a_id == image.id, ComparisonRow.image_b_id == image.id))
        .where(RaterRow.token_sha.between(hint, hint + "g"))  # all hexadecimal numbers that begin with it
        .where(RaterRow.revoked_at.is_(None), StudyRow.closed_at.is_(None))
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnavailableError("an image file of the study cannot be read", where=path.name) from error
