"""The voting database of this process: one engine, one short transaction for each thing that happens."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Engine

from evalkit.settings import settings
from evalkit.store import db


@cache
def engine() -> Engine:
    """The engine, connected once."""
    return db.connect(settings())
