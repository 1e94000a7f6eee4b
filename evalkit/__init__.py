"""evalkit: evaluation and blind human-preference studies for text-to-image models.

The public names below are loaded on first use (PEP 562), so that importing evalkit costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "Estimate": "evalkit.stats.estimate",
    "EvalkitError": "evalkit.errors",
    "ModelCard": "evalkit.spec.catalog",
    "Prompt": "evalkit.spec.catalog",
    "Run": "evalkit.store.run",
    "Study": "evalkit.spec.study",
    "load_study": "evalkit.spec.study",
    "resolve": "evalkit.spec.resolve",
}
__all__ = [
    "__version__",
    "Estimate",
    "EvalkitError",
    "ModelCard",
    "Prompt",
    "Run",
    "Study",
    "load_study",
    "resolve",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
