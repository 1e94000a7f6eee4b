"""The same checks where a fault is planted: each must see it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from tests.chaos import workshop
from tests.chaos.faults import flip, refusal
from tests.chaos.workshop import Workshop


def _overlooked(shop: Workshop) -> list[str]:
    """A picture of other bytes, that nobody drew again."""
    data = shop.copy("twin-image")
    flip(sorted((shop.root / data / "images").rglob("*.png"))[3])
    return workshop.wrong_images(shop, data)


def _counted_twice(shop: Workshop) -> list[str]:
    """A table with one row twice."""
    import pandas as pd

    data = shop.copy("twin-scores")
    path = shop.run(data).path("scores/clip_score.parquet")
    table = pd.read_parquet(path)
    pd.concat([table, table.tail(1)]).to_parquet(path, index=False)
    return workshop.wrong_scores(shop, data)


def _two_at_once(shop: Workshop) -> list[str]:
    """A lock that is a file: a process that was killed holds it for ever."""
    place = shop.root / "pid.lock"
    place.write_text("1")
    try:
        place.open("x").close()
    except FileExistsError as error:
        return [f"nobody gets in any more: {error.strerror}"]
    return []


def _vote_deleted(shop: Workshop) -> list[str]:
    """A vote that was taken out of the database after closing."""
    from evalkit.stages.vote import verify

    data = shop.copy("twin-votes")
    own = shop.settings(data)
    with sqlite3.connect(own.data_dir / "evalkit.db") as opened:
        opened.execute("DELETE FROM vote WHERE id = 3")
    return [refusal(lambda: verify(shop.study, own))]


TWINS: dict[str, tuple[str, Callable[[Workshop], list[str]]]] = {
    "corrupted PNG": ("left as it is", _overlooked),
    "corrupted scores": ("a score counted twice", _counted_twice),
    "two processes on one run": ("a lock file instead of a lock", _two_at_once),
    "corrupted page, SQLite": ("a vote taken out", _vote_deleted),
}
