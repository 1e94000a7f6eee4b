"""Features kept by content and by network: what was computed once is never computed again.

One file per network in the run's features/: `sha256` (n,), `features` (n, dimensions) float32, `extractor`. While a
network works, what it has done lies in part files beside it, so that nothing is written twice but once at the end.
Rows stay on disk and are memory-mapped: a set of images takes some 300 bytes of memory each, however wide its rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from evalkit.errors import RunError
from evalkit.extractors import Rows
from evalkit.extractors._mapped import chosen, mapped, write_mapped
from evalkit.outcome import Progress, silent
from evalkit.spec.identity import digest
from evalkit.store import arrays

Item = TypeVar("Item")
ROWS_BETWEEN_WRITES = 512


@dataclass(frozen=True)
class Features(Mapping[str, Rows]):
    """SHA-256 -> feature row, of rows (n, dimensions) that lie in a file; `place` is where each is among them."""

    rows: Rows
    place: Mapping[str, int]

    def __getitem__(self, sha: str) -> Rows:
        return np.asarray(self.rows[self.place[sha]])

    def __iter__(self) -> Iterator[str]:
        return iter(self.place)

    def __len__(self) -> int:
        return len(self.place)

    def of(self, shas: Sequence[str]) -> Rows:
        """Rows in this order, (len(shas), dimensions) float32; what is large stays on disk."""
        return chosen(self.rows, np.array([self.place[sha] for sha in shas], dtype=np.intp))


NOTHING = Features(np.zeros((0, 0), dtype=np.float32), {})


def cached_features(
    items: Mapping[str, Item],
    identity: str,
    load: Callable[[], Callable[[Sequence[Item]], Iterator[Rows]]],
    folder: Path,
    progress: Progress = silent,
) -> Features:
    """The feature row of each item, from the cache or from the network, which is loaded only if a row is missing.

    Args:
        items: SHA-256 of the content -> the picture file, or the text.
        identity: what the network and its preprocessing are called; another identity is another file.
        load: gives the function that embeds items in order, batch by batch.
    """
    path = cache_file(folder, identity)
    parts = _parts(path)  # of a run that was stopped
    stored = _read(path, identity)
    known = set(stored).union(*(_read(part, identity) for part in parts))
    missing = [sha for sha in items if sha not in known]
    for fresh in _computed(missing, items, load, lambda done: progress(_step(identity), done, len(items))):
        parts.append(_part(path, len(parts)))
        _write(parts[-1], identity, [_keyed(list(fresh), np.stack(list(fresh.values())))])
    if parts:
        _write(path, identity, list(_once([stored, *(_read(part, identity) for part in parts)])))
        for part in parts:
            part.unlink()
        stored = _read(path, identity)
    return Features(stored.rows, {sha: stored.place[sha] for sha in items})


def _computed(
    missing: Sequence[str],
    items: Mapping[str, Item],
    load: Callable[[], Callable[[Sequence[Item]], Iterator[Rows]]],
    progress: Callable[[int], None],
) -> Iterator[dict[str, Rows]]:
    """Features of what is missing, `ROWS_BETWEEN_WRITES` or a few more at a time."""
    done, fresh = len(items) - len(missing), dict[str, Rows]()
    left = iter(missing)
    for rows in load()([items[sha] for sha in missing]) if missing else ():
        fresh.update(zip(islice(left, len(rows)), rows, strict=True))
        done += len(rows)
        progress(done)
        if len(fresh) >= ROWS_BETWEEN_WRITES or done == len(items):
            yield fresh
            fresh = {}


def _step(identity: str) -> str:
    return f"features {identity.split('|')[0]}"


def _part(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.part-{number:05}.npz")


def _parts(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.stem}.part-*.npz"))


def cache_file(folder: Path, identity: str) -> Path:
    """Where the features of a network lie."""
    name = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in identity.split("|")[0])
    return folder / f"{name}-{digest(identity)[:8]}.npz"


def _read(path: Path, identity: str) -> Features:
    if not path.is_file():
        return NOTHING
    try:
        with arrays.opened(path) as stored:
            if str(stored["extractor"]) != identity:
                raise ValueError(f"made by {stored['extractor']}")
            shas = stored["sha256"].tolist()
        return _keyed(shas, mapped(path, "features"))
    except arrays.FAULTS as error:
        hint = "delete it: it is only a cache"
        raise RunError(f"stored features are damaged: {error}", where=str(path), hint=hint) from error


def _keyed(shas: Sequence[str], rows: Rows) -> Features:
    return Features(rows, dict(zip(shas, range(len(rows)), strict=True)))


def _once(files: Iterable[Features]) -> Iterator[Features]:
    """Without parts that the file holds already: of a run that was stopped before it could delete them."""
    seen = set[str]()
    for file in files:
        if not seen.issuperset(file.place):
            seen.update(file.place)
            yield file


def _write(path: Path, identity: str, files: Sequence[Features]) -> None:
    """The rows of some files in one."""
    shas = [sha for file in files for sha in file]
    small = {"extractor": np.array(identity), "sha256": np.array(shas)}
    shape = (len(shas), files[0].rows.shape[1])
    write_mapped(path, small, "features", (file.rows for file in files), shape)
