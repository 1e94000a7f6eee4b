"""The set that set metrics measure against: a folder, a table of captions, or stored features (.npz).

A stored reference holds `extractor` (identity of the network), `features` (n, dimensions) of any float type, and
`prompts` (n,) or `sha256` (n,): rows with one label are left out together. The feature cache of a run is one, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from evalkit import registry
from evalkit.errors import SpecError
from evalkit.extractors._cache import cached_features
from evalkit.extractors._pictures import pictures_in
from evalkit.metrics import _captions
from evalkit.metrics._metric import FeatureSet, Floats, Workplace
from evalkit.spec.fingerprint import file_sha256
from evalkit.spec.identity import digest


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
    if path.is_file() and path.suffix == ".npz":
        return Reference(path, f"{path.stem}:{file_sha256(path)[:8]}")
    hint = "give a folder of pictures, a table of captions with their images (.csv), or features as .npz"
    raise SpecError("no such reference set", where=str(path), hint=hint)


def read_reference(reference: Reference, extractor: str, workplace: Workplace) -> FeatureSet:
    """The features of a reference set, from its file, or computed (and cached) from its pictures.

    Raises:
        SpecError: the file is damaged, or its features come from another network.
    """
    if reference.path.is_dir():
        return folder_features(reference.path, extractor, workplace)
    if reference.path.suffix.lower() in _captions.SUFFIXES:
        keys, pictures = zip(*_captions.captioned_pictures(reference.path), strict=True)
        return FeatureSet(_picture_features(pictures, extractor, workplace)[0], np.array(keys))
    identity = registry.get("extractors", extractor).identity(workplace.settings, workplace.model)
    where = str(reference.path)
    try:
        with np.load(reference.path, allow_pickle=False) as stored:
            made_by, rows = str(stored["extractor"]), stored["features"].astype(np.float64)
            labels = stored["prompts" if "prompts" in stored else "sha256"].astype(np.str_)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        hint = "it needs the arrays extractor, features, and prompts or sha256"
        raise SpecError(f"the reference cannot be read: {error}", where=where, hint=hint) from error
    if made_by != identity:
        hint = "name a folder of pictures, or features of that network"
        raise SpecError(f"the reference was made by {made_by}, this metric needs {identity}", where=where, hint=hint)
    return FeatureSet(rows, labels)


def folder_features(folder: Path, extractor: str, workplace: Workplace) -> FeatureSet:
    """The features of all pictures in a folder; equal pictures count as often as they are there, under one label."""
    rows, shas = _picture_features(pictures_in(folder), extractor, workplace)
    return FeatureSet(rows, np.array(shas))


def _picture_features(paths: Sequence[Path], extractor: str, workplace: Workplace) -> tuple[Floats, list[str]]:
    """The feature row and the SHA-256 of each picture, from the cache or the network."""
    module = registry.get("extractors", extractor)
    settings, model = workplace.settings, workplace.model
    shas = [file_sha256(path) for path in paths]
    identity = module.identity(settings, model)
    found = cached_features(
        dict(zip(shas, paths, strict=True)),
        identity,
        lambda: module.load(settings, model),
        workplace.features,
        workplace.progress,
    )
    return np.stack([found[sha] for sha in shas]).astype(np.float64), shas
