"""A limit on wrong guesses: a network address from which many came has to wait, for a minute at most."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from threading import Lock

MOST_ADDRESSES = 10_000
"""Addresses remembered at once; beyond it, the oldest is forgotten."""


class Attempts:
    """Counts wrong guesses by network address, in this process.

    Args:
        limit: wrong guesses allowed within `period`.
    """

    def __init__(self, limit: int, period: timedelta = timedelta(minutes=1)) -> None:
        self._limit, self._period, self._lock = limit, period, Lock()
        self._wrong: dict[str, deque[datetime]] = {}

    def exhausted(self, address: str, now: datetime) -> bool:
        """Whether this address has to wait."""
        with self._lock:
            times = self._wrong.get(address, deque())
            while times and now - times[0] > self._period:
                times.popleft()
            return len(times) >= self._limit

    def wrong(self, address: str, now: datetime) -> None:
        """Remembers a wrong guess."""
        with self._lock:
            times = self._wrong.setdefault(address, deque(maxlen=self._limit))
            times.append(now)
            if len(self._wrong) > MOST_ADDRESSES:
                del self._wrong[next(iter(self._wrong))]

    def forget(self) -> None:
        """Begins anew."""
        with self._lock:
            self._wrong.clear()


LINKS = Attempts(limit=20)
IMAGES = Attempts(limit=60)
PASSWORDS = Attempts(limit=10)
