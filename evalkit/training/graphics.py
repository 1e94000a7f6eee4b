"""Fetches the emoji graphics (Twemoji, CC BY 4.0) from the npm package that carries them. They are never committed."""

import subprocess
import tarfile
import tempfile
from pathlib import Path

from evalkit.errors import UnavailableError
from evalkit.training.vocabulary import KINDS

PACKAGE = "emoji-datasource-twitter@16.0.0"
INSIDE = "package/img/twitter/64"


def fetch(folder: Path) -> None:
    """Put one 64-pixel PNG per object into `folder`, unless they are there. Needs `npm`."""
    if all((folder / f"{kind.code}.png").exists() for kind in KINDS):
        return
    with tempfile.TemporaryDirectory() as scratch:
        _unpack(_download(Path(scratch)), folder)


def _download(scratch: Path) -> Path:
    try:
        subprocess.run(["npm", "pack", PACKAGE], cwd=scratch, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(
            "the emoji graphics cannot be fetched", where=PACKAGE, hint="check `npm` and its registry"
        ) from error
    return next(scratch.glob("*.tgz"))


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as package:
        for kind in KINDS:
            member = package.extractfile(f"{INSIDE}/{kind.code}.png")
            if member is None:
                raise UnavailableError("the package lacks a graphic", where=kind.code, hint=f"expected {PACKAGE}")
            (folder / f"{kind.code}.png").write_bytes(member.read())
