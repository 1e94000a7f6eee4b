"""`evalkit vote leakcheck`: a rehearsal of a study is opened, served and visited; what arrives is searched for leaks.

The rehearsal has the study's own images under new names, in a database and a folder of its own that are thrown away, so
no vote of the study is touched. What the study itself has on disk and in its tables, `evalkit vote verify` checks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from evalkit import prompts
from evalkit.errors import VotingError
from evalkit.outcome import Outcome, Progress, silent
from evalkit.places import is_remote
from evalkit.settings import Settings
from evalkit.spec.plan import select_prompts, spare_keys, voting_keys
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store import db, drawing
from evalkit.store.files import write_bytes
from evalkit.store.images import relative_path
from evalkit.store.run import Run
from evalkit.voting import arms, invites, leakcheck, opening, server, telltales


def check_served(resolved: ResolvedStudy, settings: Settings, *, progress: Progress = silent) -> Outcome:
    """Searches all that a browser receives, for one whole sheet of comparisons.

    Raises:
        VotingError: something tells the systems apart (it says what), or images are missing.
        UnavailableError: the app does not start.
    """
    with tempfile.TemporaryDirectory(prefix="evalkit-leakcheck-") as folder:
        rehearsal = _beside(settings, resolved, Path(folder))
        token = _open(resolved, settings, rehearsal, progress)
        with server.served("rater", rehearsal, Path(folder) / "server.log") as address:
            transcript = leakcheck.record(address, token)
        system_of, words = _known(resolved, rehearsal)
    faults = leakcheck.find(transcript, words, system_of)
    if faults:
        hint = "run it again: by chance one run in a hundred is wrong; what is found twice is a leak"
        raise VotingError("; ".join(faults), where=resolved.run_name, hint=hint)
    return _outcome(transcript, system_of, resolved)


def _outcome(transcript: leakcheck.Transcript, system_of: dict[str, str], resolved: ResolvedStudy) -> Outcome:
    system = resolved.study.systems[0].name
    area = telltales.separability(transcript.images, [system_of[image.key] == system for image in transcript.images])
    facts = {"images": len(transcript.images), "messages": len(transcript.texts), "roc_area": asdict(area)}
    bound = telltales.upper_bound(area)
    facts["roc_area_upper_bound"] = bound
    warnings = (f"the classifier was not tried: {area.note}",) if area.note else ()
    said = f"{facts['images']} images and {facts['messages']} messages searched: {_verdict(area.note)}"
    if bound is not None:
        said += f"; area under the ROC curve {area.value:.2f}, below {bound:.2f} with 99 % confidence, n = {area.n}"
    return Outcome(said, next=f"evalkit vote invite {resolved.study.name}", facts=facts, warnings=warnings)


def _verdict(note: str | None) -> str:
    if note:
        return "no name of a system in them; whether anything else tells the systems apart was not tried"
    return "nothing tells the systems apart"


def _beside(settings: Settings, resolved: ResolvedStudy, folder: Path) -> Settings:
    """Settings of the rehearsal: the images are those of the study, all else is new."""
    rehearsal = settings.model_copy(update={"data": folder, "storage": None, "database_url": None})
    run, own = Run(settings.runs_dir / resolved.run_name), Run(rehearsal.runs_dir / resolved.run_name)
    own.write_table("images.parquet", run.read_table("images.parquet", "images"), "images")
    if how := drawing.read(run):
        drawing.write(own, how)
    return rehearsal


def _lend(keys: Iterable[str], settings: Settings, rehearsal: Settings) -> None:
    """The study's images for the rehearsal: its own folder, or copies out of a bucket."""
    if not is_remote(settings.images_dir):
        return rehearsal.images_dir.symlink_to(settings.images_dir.resolve(), target_is_directory=True)
    for name in map(relative_path, keys):
        write_bytes(rehearsal.images_dir / name, (settings.images_dir / name).read_bytes())


def _open(resolved: ResolvedStudy, settings: Settings, rehearsal: Settings, progress: Progress) -> str:
    """Opens the rehearsal; gives the token of an invite."""
    design, now = opening.require_design(resolved), datetime.now(UTC)
    chosen = select_prompts(prompts.load(resolved.prompt_set, rehearsal), resolved)
    engine, run = db.connect(rehearsal), Run(rehearsal.runs_dir / resolved.run_name)
    planned = drawing.planned(run, chosen, resolved)
    judged = opening.shown_images(planned, voting_keys(chosen, resolved), design)
    spare = opening.spare_images(planned, spare_keys(chosen, resolved))
    _lend({image.key for image in (*judged, *spare)}, settings, rehearsal)
    opened = opening.open_study(engine, resolved, judged, run, rehearsal, now, progress, spare=spare)
    with db.session(engine) as session:
        return invites.invite(session, opened.study_id, count=1, valid_days=1, now=now)[0].token


def _known(resolved: ResolvedStudy, rehearsal: Settings) -> tuple[dict[str, str], list[str]]:
    """Opaque key -> system, and the words that may not arrive."""
    run = Run(rehearsal.runs_dir / resolved.run_name)
    link, images = arms.read(run, resolved.sha), run.read_table("images.parquet", "images")
    system = dict(zip(images["key"], images["system"], strict=True))
    words = [*leakcheck.secrets_of(resolved, link), str(rehearsal.data_dir)]
    return {opaque: system[key] for opaque, key in link.images.items()}, words
