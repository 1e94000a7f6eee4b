"""The folder of a study's anonymous pictures: random names, one length, one time, written in random order."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import VotingError
from evalkit.outcome import Progress
from evalkit.settings import Settings
from evalkit.spec.catalog import Prompt
from evalkit.spec.plan import PlannedImage
from evalkit.store.files import write_bytes
from evalkit.voting import pictures
from evalkit.voting.pictures import Size

SAME_TIME = 946_684_800  # seconds, 2000-01-01: the files' time does not tell when they were made


@dataclass(frozen=True)
class Role:
    """What a picture is for. Golds: `number` names the pair, `right` the image that fits, `noise` the one of noise.

    `prompt`: what it is shown with, where that is not the prompt that it was made for.
    """

    kind: str = "vote"
    number: int = 0
    right: bool = True
    noise: bool = False
    prompt: Prompt | None = None


@dataclass(frozen=True)
class Source:
    """An image of the run that raters will see."""

    planned: PlannedImage
    path: Path
    sha256: str
    role: Role = Role()


@dataclass(frozen=True)
class Picture:
    """Its anonymous copy. `path` is relative to the data folder; `sha256` is that of the file as served."""

    key: str
    planned: PlannedImage
    path: str
    sha256: str
    role: Role = Role()

    @property
    def prompt(self) -> Prompt:
        """What it is shown with."""
        return self.role.prompt or self.planned.prompt


@dataclass(frozen=True)
class Gallery:
    """All anonymous pictures of a study, in random order. `enlarged`: the sources were smaller than they are shown."""

    pictures: tuple[Picture, ...]
    size: Size
    enlarged: bool


def make(sources: Sequence[Source], folder: str, settings: Settings, progress: Progress) -> Gallery:
    """Writes the anonymous copies of `sources` to `DATA/voting/FOLDER/`.

    Raises:
        VotingError: a source is missing, changed since it was made, not a picture, or of another shape.
    """
    sizes = [pictures.size_of(_read(source), str(source.path)) for source in sources]
    size = pictures.common_size(sizes)
    order = list(sources)
    secrets.SystemRandom().shuffle(order)
    names = {secrets.token_hex(16): source for source in order}
    place = settings.data_dir / "voting" / folder
    aside = place.with_name(f".{folder}.{secrets.token_hex(4)}.tmp")
    try:
        made = _write(names, aside, size, progress)
        place.mkdir(parents=True, exist_ok=True)
        for key in names:
            (aside / f"{key}.png").replace(place / f"{key}.png")
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    copies = [
        Picture(key, source.planned, f"voting/{folder}/{key}.png", made[key], source.role)
        for key, source in sorted(names.items())
    ]
    return Gallery(tuple(copies), size, any(found.width < size.width for found in sizes))


def _write(names: dict[str, Source], folder: Path, size: Size, progress: Progress) -> dict[str, str]:
    """Encodes all, then pads all to the length of the longest: key -> SHA-256."""
    for done, (key, source) in enumerate(names.items(), start=1):
        content = pictures.noise(size) if source.role.noise else _read(source)
        write_bytes(folder / f"{key}.png", pictures.normalise(content, size, str(source.path)))
        progress("pictures", done, len(names))
    files = {key: folder / f"{key}.png" for key in names}
    length = pictures.padded_length(path.stat().st_size for path in files.values())
    digests = {}
    for key, path in files.items():
        content = pictures.pad(path.read_bytes(), length)
        write_bytes(path, content)
        os.utime(path, (SAME_TIME, SAME_TIME))
        digests[key] = hashlib.sha256(content).hexdigest()
    return digests


def _read(source: Source) -> bytes:
    hint = "`evalkit generate` makes it again"
    try:
        content = source.path.read_bytes()
    except OSError:
        raise VotingError("an image of the run is missing", where=str(source.path), hint=hint) from None
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise VotingError("an image of the run was changed since it was made", where=str(source.path), hint=hint)
    return content
