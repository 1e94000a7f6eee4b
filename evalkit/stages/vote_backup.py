"""`evalkit vote backup` and `restore`: the whole voting database of this machine, all studies in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from evalkit.errors import VotingError
from evalkit.outcome import Outcome
from evalkit.settings import Settings
from evalkit.store import db
from evalkit.voting import backing_up


def backup(settings: Settings, *, out: Path | None = None, images: bool = True) -> Outcome:
    """Writes a backup of one moment while raters vote, and proves every study in it.

    Args:
        out: the new folder; default DATA/backups/TIME.
        images: copy the raters' pictures; else they are listed with their hashes.
    """
    now = datetime.now(UTC)
    out = out or settings.data_dir / "backups" / f"{now:%Y%m%d-%H%M%S}"
    engine = db.connect(settings)
    record = backing_up.back_up(engine, settings.data_dir, out, now, settings.environment(), images=images)
    studies, pictures = record["studies"], record["pictures"]
    votes = sum(study["votes"] for study in studies)
    said = f"{len(studies)} studies, {votes} votes, {len(pictures)} pictures {'copied' if images else 'listed'}"
    links = "what the arms stand for is not in it: keep each run's arms.json apart, and safe"
    facts = {"studies": studies, "pictures": len(pictures), "database": record["database"]}
    return Outcome(said, where=out, next=f"evalkit vote restore {out}", facts=facts, warnings=(links,))


def restore(folder: Path, settings: Settings) -> Outcome:
    """Puts a backup into this machine's database, which must hold no study, and proves every study in it."""
    if not folder.is_dir():
        raise VotingError("no such folder", where=str(folder), hint="`evalkit vote backup` writes one")
    engine = db.open_engine(settings.database)
    record = backing_up.restore(engine, settings.data_dir, folder, settings.environment())
    missing = backing_up.missing_pictures(record, settings.data_dir)
    votes = sum(study["votes"] for study in record["studies"])
    said = f"{len(record['studies'])} studies and {votes} votes, as of {record['at']}; every log is unbroken"
    warnings = (f"{len(missing)} pictures are missing, as {missing[0]}",) if missing else ()
    return Outcome(said, next="evalkit app rater", facts={"studies": record["studies"]}, warnings=warnings)
