"""Features kept by content and by network: what was computed once is never computed again.

One file per network in the run's features/: `sha256` (n,), `features` (n, dimensions) float32, `extractor`. While a
network works, what it has done lies in part files beside it, so that nothing is written twice but once at the end.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from evalkit.errors import RunError
from evalkit.extractors import Rows
from evalkit.outcome import Progress, silent
from evalkit.places import is_file
from evalkit.spec.identity import digest
from evalkit.store.files import write_bytes

Item = TypeVar("Item")
ROWS_BETWEEN_WRITES = 512


def cached_features(
    items: Mapping[str, Item],
    identity: str,
    load: Callable[[], Callable[[Sequence[Item]], Iterator[Rows]]],
    folder: Path,
    progress: Progress = silent,
) -> dict[str, Rows]:
    """The feature row of each item, from the cache or from the network, which is loaded only if a row is missing.

    Args:
        items: SHA-256 of the content -> the picture file, or the text.
        identity: what the network and its preprocessing are called; another identity is another file.
        load: gives the function that embeds items in order, batch by batch.
    """
    path = cache_file(folder, identity)
    known = _read(path, identity)
    parts = _parts(path)
    for part in parts:  # of a run that was stopped
        known.update(_read(part, identity))
    missing = [sha for sha in items if sha not in known]
    for fresh in _computed(missing, items, load, lambda done: progress(_step(identity), done, len(items))):
        known.update(fresh)
        parts.append(_part(path, len(parts)))
        _write(parts[-1], identity, fresh)
    if parts:
        _write(path, identity, known)
        for part in parts:
            part.unlink()
    return {sha: known[sha] for sha in items}


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


def _read(path: Path, identity: str) -> dict[str, Rows]:
    if not is_file(path):
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["extractor"]) != identity:
                raise ValueError(f"made by {stored['extractor']}")
            return dict(zip(stored["sha256"].tolist(), stored["features"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        hint = "delete it: it is only a cache"
        raise RunError(f"stored features are damaged: {error}", where=str(path), hint=hint) from error


def _write(path: Path, identity: str, known: Mapping[str, Rows]) -> None:
    content = io.BytesIO()
    features = np.stack(list(known.values()))
    np.savez(content, extractor=np.array(identity), sha256=np.array(list(known)), features=features)
    write_bytes(path, content.getbuffer())
