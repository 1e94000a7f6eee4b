"""The folder of one run. Exists means done: every file in it was written whole."""

from __future__ import annotations

import io
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import __version__
from evalkit.errors import RunError, SpecError, UnavailableError
from evalkit.places import is_file, is_remote, place, reached
from evalkit.store import bucket_locking, frames, locking
from evalkit.store.files import append_line, read_lines, sweep, write_bytes, write_text
from evalkit.store.locking import Holder

if TYPE_CHECKING:
    import pandas as pd

LOCK = ".lock"


class Run:
    """One run: `Run(settings.runs_dir / resolved.run_name)`.

    Holds study.yaml · resolved.json · manifest.json · images.parquet · features/ · scores/NAME.parquet · metrics.json ·
    votes.parquet · raters.parquet · audit.parquet · audit.json · thumbnails/ · log.jsonl
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        return self.folder.name

    def path(self, name: str) -> Path:
        return self.folder / name

    def has(self, name: str) -> bool:
        return is_file(self.path(name))

    def write_table(self, name: str, frame: pd.DataFrame, contract: str) -> Path:
        """Writes `name` (as "images.parquet"), checked against its contract."""
        path = self.path(name)
        content = io.BytesIO()
        frames.conform(frame, contract, str(path)).to_parquet(content, index=False)
        self._require_lock()
        write_bytes(path, content.getvalue())
        return path

    def read_table(self, name: str, contract: str) -> pd.DataFrame:
        """Reads a table, checked against its contract.

        Raises:
            RunError: not there, damaged, or of another shape.
        """
        import pandas as pd

        path = self.path(name)
        if not self.has(name):
            raise RunError(f"{name} is not there yet", where=str(self.folder), hint=_maker(name))
        try:
            with reached(path), path.open("rb") as file:
                frame = pd.read_parquet(io.BytesIO(file.read()) if is_remote(path) else file)
        except UnavailableError:
            raise
        except Exception as error:  # pyarrow raises several kinds for a damaged file
            hint = f"delete it, then {_maker(name)}"
            raise RunError(f"{name} is damaged: {error}", where=str(path), hint=hint) from error
        return frames.conform(frame, contract, str(path))

    def write_json(self, name: str, value: Any) -> Path:
        """Writes a record; NaN is refused, since JSON has none."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self._require_lock()
        write_text(self.path(name), text)
        return self.path(name)

    def _require_lock(self) -> None:
        """Nobody who lost the lock of a run writes into it any more."""
        bucket_locking.require(self.path(LOCK))

    def read_json(self, name: str) -> Any:
        path = self.path(name)
        if not self.has(name):
            raise RunError(f"{name} is not there yet", where=str(self.folder), hint=_maker(name))
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            hint = f"delete it, then {_maker(name)}"
            raise RunError(f"{name} is damaged: {error}", where=str(path), hint=hint) from error

    def log(self, what: str, **detail: Any) -> None:
        """Adds a line to log.jsonl: `at` (UTC), `what`, and what else there is to say.

        Raises:
            UnavailableError: the disk is full or not writable.
        """
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "what": what, **detail}
        append_line(self.path("log.jsonl"), json.dumps(line, ensure_ascii=False, default=str))

    def log_lines(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl, oldest first; one that a crash has cut short is left out."""
        lines = read_lines(self.path("log.jsonl"))
        return [line for line in lines if isinstance(line, dict)]

    @contextmanager
    def lock(self, stage: str = "stage", *, wait: bool = False) -> Iterator[Holder | None]:
        """Holds the run for one writing process; the lock dies with its process. Beginning and end go into the log.

        Gives the process that died while it held the run before, if one did: what it left half-written in the run
        folder is removed.

        Args:
            stage: what is being done, for those who have to wait.
            wait: wait for another process, instead of an error.

        Raises:
            RunError: another process holds it; it says which.
            UnavailableError: the folder cannot be written.
        """
        with locking.held(self.path(LOCK), stage, wait=wait) as died, self._logged(stage, died):
            if died:
                sweep(self.folder)
            yield died

    @contextmanager
    def _logged(self, stage: str, died: Holder | None) -> Iterator[None]:
        """Beginning, and end or failure, of a stage as lines of the log."""
        started = time.monotonic()
        if died:
            self.log("found a stage that had died", stage=died.doing, pid=died.pid, host=died.host, since=died.since)
        self.log("stage began", stage=stage, pid=os.getpid(), host=socket.gethostname(), evalkit=__version__)
        try:
            yield
        except BaseException as error:
            with suppress(UnavailableError):  # a full disk is what failed, perhaps
                seconds = round(time.monotonic() - started, 3)
                self.log("stage failed", stage=stage, seconds=seconds, error=type(error).__name__, said=str(error))
            raise
        self.log("stage ended", stage=stage, seconds=round(time.monotonic() - started, 3))


def latest_run(runs_dir: Path, study_name: str) -> Run:
    """The run of a study that was worked on last, by its name, the path of its file, or the folder of the run.

    Raises:
        RunError: there is none.
    """
    if (place(study_name) / "study.yaml").is_file():
        return Run(place(study_name))
    if Path(study_name).suffix in (".yaml", ".yml"):
        study_name = Path(study_name).stem
    found = [path for path in runs_dir.glob(f"{study_name}-????????") if (path / "study.yaml").is_file()]
    if not found:
        hint = f"evalkit generate {study_name}"
        raise RunError(f"no run of study {study_name!r} yet", where=str(runs_dir), hint=hint)
    return Run(max(found, key=lambda path: _touched(path)))


def _touched(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.iterdir() if path.is_file())


def _maker(name: str) -> str:
    if name.startswith("manifest"):
        return "run the same command again; what it told of earlier stages is lost"
    stages = {
        "images": "generate",
        "votes": "vote close",
        "raters": "vote close",
        "metrics": "score",
        "scores": "score",
        "audit": "audit",
    }
    stem = name.split("/")[0].split(".")[0]
    return f"run `evalkit {stages.get(stem, 'generate')}` first"


def require_slug(name: str) -> str:
    """Refuses a name that could leave its folder."""
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise SpecError(f"{name!r} cannot be a file name")
    return name
