"""Things of transformers by name, from a folder or a hub repository at a revision, with readable errors."""

from __future__ import annotations

from typing import Any

from evalkit.errors import ModelError, UnavailableError


def pretrained(kind: str, source: str, revision: str | None, **options: Any) -> Any:
    """`transformers.KIND.from_pretrained`, nobody's remote code run.

    Raises:
        UnavailableError: the repository cannot be fetched.
        ModelError: the folder holds no such thing, or a damaged one.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    try:
        return getattr(transformers, kind).from_pretrained(source, revision=revision, **options)
    except ImportError:
        raise
    except Exception as error:  # a damaged or absent checkpoint raises many kinds
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if revision:
            hint = "fetch it once while online, or name a folder: {name: ..., model: path/of/folder}"
            raise UnavailableError(f"{kind} cannot be fetched: {told}", where=source, hint=hint) from error
        raise ModelError(f"{kind} cannot be read: {told}", where=source) from error
