"""Features kept by content and by network: what was computed once is never computed again.

One file per network in the run's features/: `sha256` (n,), `features` (n, dimensions) float32, `extractor`. While a
network works, what it has done lies in part files beside it, so that nothing is written twice but once at the end.
Rows stay on disk and are memory-mapped: a set of images takes some 300 bytes of memory each, however wide its rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from evalkit.engines import Engine, Job
from evalkit.engines.local import HERE
from evalkit.errors import RunError
from evalkit.extractors import Rows
from evalkit.extractors._mapped import chosen, mapped, write_mapped
from evalkit.outcome import Progress, silent
from evalkit.places import is_file
from evalkit.spec.identity import digest
from evalkit.store import arrays
from evalkit.store.files import local_copy

Item = TypeVar("Item")
ROWS_BETWEEN_WRITES, WHOLE_BATCHES, CHUNKS_PER_WORKER = 512, 32, 4
"""At most; a multiple of every network's batch, 4 to 32; so that no worker waits long for another at the end."""


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
    engine: Engine = HERE,
) -> Features:
    """The feature row of each item, from the cache or from the network, which is loaded only if a row is missing.

    Args:
        items: SHA-256 of the content -> the picture file, or the text.
        identity: what the network and its preprocessing are called; another identity is another file.
        load: gives the function that embeds items in order, batch by batch.
        engine: what embeds: this process, or the workers of a cluster, which write what they made themselves.
    """
    path = cache_file(folder, identity)
    parts = _parts(path)  # of a run that was stopped
    stored = _read(path, identity)
    known = set(stored).union(*(_read(part, identity) for part in parts))
    first = int(parts[-1].stem[-5:]) + 1 if parts else 0
    chunks = _chunks([sha for sha in items if sha not in known], items, first, engine.workers)
    told = _Told(progress, _step(identity), len(items), len(items) - sum(len(chunk.shas) for chunk in chunks))
    for count in engine.run(chunks, Embedding(load, path, identity, told.embedded)):
        told.stored(count)
    if parts := _parts(path):
        _write(path, identity, list(_once([stored, *(_read(part, identity) for part in parts)])))
        for part in parts:
            part.unlink()
        stored = _read(path, identity)
    return Features(stored.rows, {sha: stored.place[sha] for sha in items})


@dataclass(frozen=True)
class Chunk:
    """What is embedded between two writes, and the number of its part file."""

    number: int
    shas: tuple[str, ...]
    items: tuple[Any, ...]


@dataclass(frozen=True)
class Embedding:
    """How chunks are embedded; called by each worker, it loads the network."""

    load: Callable[[], Callable[[Sequence[Any]], Iterator[Rows]]]
    path: Path
    identity: str
    told: Callable[[int], None]
    """is told the rows of each batch, in this process"""

    def __call__(self) -> Job[Chunk, Rows, int]:
        embed = self.load()

        def compute(chunk: Chunk) -> Rows:
            found = []
            for rows in embed(chunk.items):
                found.append(rows)
                self.told(len(rows))
            return np.concatenate(found)

        return Job(compute, self._keep)

    def __reduce__(self) -> tuple[Any, ...]:
        """As a worker of a cluster gets it."""
        return Embedding, (self.load, self.path, self.identity, _nothing)

    def _keep(self, chunk: Chunk, rows: Rows) -> int:
        _write(_part(self.path, chunk.number), self.identity, [_keyed(chunk.shas, rows)])
        return len(chunk.shas)


@dataclass
class _Told:
    """Progress by what was embedded here, or stored anywhere, whichever is more."""

    progress: Progress
    step: str
    total: int
    rows: int
    kept: int = 0
    said: int = 0

    def __post_init__(self) -> None:
        self.kept = self.said = self.rows

    def embedded(self, count: int) -> None:
        self.rows += count
        self._tell()

    def stored(self, count: int) -> None:
        self.kept += count
        self._tell()

    def _tell(self) -> None:
        if (more := max(self.rows, self.kept)) > self.said:
            self.said = more
            self.progress(self.step, more, self.total)


def _nothing(count: int) -> None:
    """Nobody watches."""


def _chunks(shas: Sequence[str], items: Mapping[str, Any], first: int, workers: int) -> list[Chunk]:
    """Whole batches of every network, so that rows do not hang on the number of workers; several for each of those."""
    share = -(-len(shas) // (CHUNKS_PER_WORKER * workers))
    size = min(ROWS_BETWEEN_WRITES, -(-share // WHOLE_BATCHES) * WHOLE_BATCHES) or WHOLE_BATCHES
    parts = (shas[start : start + size] for start in range(0, len(shas), size))
    return [Chunk(first + n, tuple(part), tuple(items[sha] for sha in part)) for n, part in enumerate(parts)]


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
    if not is_file(path):
        return NOTHING
    path = local_copy(path)
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
