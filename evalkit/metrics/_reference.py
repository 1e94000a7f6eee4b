"""The set that set metrics measure against: a folder of pictures, or features that were stored once (.npz).

A stored reference holds `extractor` (identity of the network), `features` (n, dimensions) of any float type, and
`prompts` (n,) or `sha256` (n,): rows with one label are left out together. The feature cache of a run is one, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from evalkit import registry
from evalkit.errors import SpecError
from evalkit.extractors._cache import cached_features
from evalkit.extractors._pictures import pictures_in
from evalkit.metrics._metric import FeatureSet, Workplace
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
    if path.is_file() and path.suffix == ".npz":
        return Reference(path, f"{path.stem}:{file_sha256(path)[:8]}")
    hint = "give a folder of pictures, or features as .npz"
    raise SpecError("no such reference set", where=str(path), hint=hint)


def read_reference(reference: Reference, extractor: str, workplace: Workplace) -> FeatureSet:
    """The features of a reference set, from its file, or computed (and cached) from its pictures.

    Raises:
        SpecError: the file is damaged, or its features come from another network.
    """
    if reference.path.is_dir():
        return folder_features(reference.path, extractor, workplace)
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
    module = registry.get("extractors", extractor)
    settings, model = workplace.settings, workplace.model
    paths = pictures_in(folder)
    shas = [file_sha256(path) for path in paths]
    identity = module.identity(settings, model)
    found = cached_features(
        dict(zip(shas, paths, strict=True)),
        identity,
        lambda: module.load(settings, model),
        workplace.features,
        workplace.progress,
    )
    return FeatureSet(np.stack([found[sha] for sha in shas]).astype(np.float64), np.array(shas))
