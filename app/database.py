"""The voting database of this process: one engine, one short transaction for each thing that happens."""

from __future__ import annotations

from functools import cache
from threading import Lock

from sqlalchemy import Engine

from evalkit.settings import settings
from evalkit.store import db

ONE = Lock()


def engine() -> Engine:
    """The engine, connected once, whoever asks first."""
    with ONE:
        return _connected()


@cache
def _connected() -> Engine:
    return db.connect(settings())
