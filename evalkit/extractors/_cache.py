"""Features kept by content and by network: what was computed once is never computed again.

One file per network in the run's features/: `sha256` (n,), `features` (n, dimensions) float32, `extractor`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from evalkit.errors import RunError
from evalkit.extractors import Rows
from evalkit.outcome import Progress, silent
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
    missing = [sha for sha in items if sha not in known]
    if missing:
        unsaved = 0
        for rows in load()([items[sha] for sha in missing]):
            done = len(items) - len(missing)
            known.update(zip(missing, rows, strict=False))
            missing, unsaved = missing[len(rows) :], unsaved + len(rows)
            progress(f"features {identity.split('|')[0]}", done + len(rows), len(items))
            if unsaved >= ROWS_BETWEEN_WRITES or not missing:
                _write(path, identity, known)
                unsaved = 0
    return {sha: known[sha] for sha in items}


def cache_file(folder: Path, identity: str) -> Path:
    """Where the features of a network lie."""
    name = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in identity.split("|")[0])
    return folder / f"{name}-{digest(identity)[:8]}.npz"


def _read(path: Path, identity: str) -> dict[str, Rows]:
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
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
    write_bytes(path, content.getvalue())
