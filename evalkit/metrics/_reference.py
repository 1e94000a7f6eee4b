"""The set that set metrics measure against: a folder, a table of captions, or stored features (.npz).

A stored reference holds `extractor` (identity of the network), `features` (n, dimensions) of any float type, and
`prompts` (n,) or `sha256` (n,): rows with one label are left out together. The feature cache of a run is one, too.
Or it holds `mu` (dimensions,) and `sigma` (dimensions, dimensions), ours with `extractor`, `n` and `source`, or those
of pytorch-fid and clean-fid, which do not tell how they were made: enough for Frechet distances.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit import __version__, registry
from evalkit.errors import RunError, SpecError
from evalkit.extractors import Rows
from evalkit.extractors._cache import cached_features
from evalkit.extractors._mapped import mapped
from evalkit.extractors._parquet import unpacked
from evalkit.extractors._pictures import pictures_in
from evalkit.extractors.inception import DIMENSIONS as INCEPTION_DIMENSIONS
from evalkit.metrics import _captions
from evalkit.metrics._metric import FeatureSet, Floats, Workplace
from evalkit.spec.fingerprint import file_sha256
from evalkit.spec.identity import digest
from evalkit.stats.frechet import Moments, blocks, moments
from evalkit.store import arrays
from evalkit.store.files import write_bytes


@dataclass(frozen=True)
class Reference:
    """A reference set by name and digest, its features not read yet."""

    path: Path
    label: str
    """as signatures carry it: name:digest"""


def find_reference(named: str | None, root: Path) -> Reference | None:
    """The reference of a study: a path, absolute or in the checkout; None where none is named."""
    return None if named is None else reference_at(root / named)


def reference_at(path: Path) -> Reference:
    """A folder of pictures or a file of features, with its label.

    Raises:
        SpecError: there is no such file or folder.
        RunError: the folder holds no picture.
    """
    if path.is_dir():
        shas = sorted(file_sha256(picture) for picture in pictures_in(path))
        return Reference(path, f"{path.name}:{digest(shas)[:8]}")
    if path.is_file() and path.suffix.lower() in _captions.SUFFIXES:
        shas = [file_sha256(path), *sorted(file_sha256(picture) for _, picture in _captions.captioned_pictures(path))]
        return Reference(path, f"{path.stem}:{digest(shas)[:8]}")
    if path.is_file() and path.suffix in (".npz", ".parquet"):
        return Reference(path, f"{path.stem}:{file_sha256(path)[:8]}")
    hint = (
        "give a folder or a parquet file of pictures, a table of captions with their images (.csv), or features as .npz"
    )
    raise SpecError("no such reference set", where=str(path), hint=hint)


def read_reference(reference: Reference, extractor: str, workplace: Workplace) -> FeatureSet:
    """The features of a reference set, from its file, or computed (and cached) from its pictures.

    Raises:
        SpecError: the file is damaged, or its features come from another network.
    """
    if reference.path.is_file() and reference.path.suffix.lower() in _captions.SUFFIXES:
        keys, pictures = zip(*_captions.captioned_pictures(reference.path), strict=True)
        rows, shas = _picture_features(pictures, extractor, workplace)
        return FeatureSet(rows, np.array(keys), shas=np.array(shas))
    if reference.path.suffix != ".npz":
        return folder_features(reference.path, extractor, workplace)
    identity = registry.get("extractors", extractor).identity(workplace.settings, workplace.model)
    where = str(reference.path)
    try:
        with arrays.opened(reference.path) as stored:
            made_by = str(stored["extractor"]) if "extractor" in stored else None
            found = _statistics(stored) if "mu" in stored else _features(stored, reference.path)
    except arrays.FAULTS as error:
        hint = "it needs the arrays extractor, features, and prompts or sha256; or mu and sigma"
        raise SpecError(f"the reference cannot be read: {error}", where=where, hint=hint) from error
    _check_network(made_by, identity, extractor, found, where)
    return found


def write_statistics(path: Path, rows: FeatureSet, extractor: str, source: str) -> None:
    """Mean and covariance with their provenance; pytorch-fid reads the file, too.

    Raises:
        RunError: fewer than two rows.
    """
    if len(rows.rows) < 2:
        raise RunError(f"{len(rows.rows)} pictures: a covariance needs two or more", where=source, hint="add pictures")
    found, content = moments(blocks(rows.rows)), io.BytesIO()
    facts: dict[str, Any] = {"n": found.n, "extractor": extractor, "source": source, "evalkit": __version__}
    np.savez(content, mu=found.mean, sigma=found.covariance, **facts)
    write_bytes(path, content.getvalue())


def _features(stored: Mapping[str, Floats], path: Path) -> FeatureSet:
    labels = stored["prompts" if "prompts" in stored else "sha256"].astype(np.str_)
    return FeatureSet(mapped(path, "features"), labels)


def _statistics(stored: Mapping[str, Floats]) -> FeatureSet:
    mean, covariance = (stored[name].astype(np.float64) for name in ("mu", "sigma"))
    if mean.ndim != 1 or covariance.shape != mean.shape * 2:
        raise ValueError(f"mu {mean.shape} and sigma {covariance.shape} do not fit")
    count = int(stored["n"]) if "n" in stored else 0  # 0: not told
    return FeatureSet(np.zeros((0, mean.size)), np.array([], dtype=np.str_), Moments(mean, covariance, count))


def _check_network(made_by: str | None, identity: str, extractor: str, found: FeatureSet, where: str) -> None:
    """Files of pytorch-fid and clean-fid tell no network: they are taken as Inception's, if their size is."""
    if made_by is None and (extractor != "inception" or found.rows.shape[1] != INCEPTION_DIMENSIONS):
        what = f"the reference does not tell its network, and this metric needs {identity}"
        raise SpecError(what, where=where, hint="a file without `extractor` is taken as 2048 Inception features only")
    if made_by is not None and made_by != identity:
        hint = "name a folder of pictures, or features of that network"
        raise SpecError(f"the reference was made by {made_by}, this metric needs {identity}", where=where, hint=hint)


def folder_features(folder: Path, extractor: str, workplace: Workplace) -> FeatureSet:
    """The features of all pictures in a folder or a parquet file; equal pictures count as often as they are there."""
    rows, shas = _picture_features(pictures_of(folder, workplace), extractor, workplace)
    return FeatureSet(rows, np.array(shas), shas=np.array(shas))


def pictures_of(reference: Path, workplace: Workplace) -> list[Path]:
    """The picture files of a folder, a parquet file or a table of captions; none of stored features."""
    if reference.suffix.lower() in _captions.SUFFIXES and reference.is_file():
        return [picture for _, picture in _captions.captioned_pictures(reference)]
    if reference.suffix == ".npz":
        return []
    if reference.suffix == ".parquet" and reference.is_file():
        reference = unpacked(reference, workplace.settings.data_dir / "cache" / "unpacked")
    return pictures_in(reference)


def _picture_features(paths: Sequence[Path], extractor: str, workplace: Workplace) -> tuple[Rows, list[str]]:
    """The feature row and the SHA-256 of each picture, from the cache or the network."""
    module = registry.get("extractors", extractor)
    settings, model = workplace.settings, workplace.model
    shas = [file_sha256(path) for path in paths]
    identity = module.identity(settings, model)
    found = cached_features(
        dict(zip(shas, paths, strict=True)),
        identity,
        lambda: module.load(settings, model),
        *workplace.cache,
    )
    return found.of(shas), shas
