"""Limits on how often something may happen, in this process: wrong guesses by network address, requests by rater."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from threading import Lock

MOST_NAMES = 10_000
"""Names remembered at once; beyond it, the oldest is forgotten."""


class Attempts:
    """Counts what happens by name (an address, a rater), in this process.

    Args:
        limit: how often within `period`; beyond it, that name has to wait.
    """

    def __init__(self, limit: int, period: timedelta = timedelta(minutes=1)) -> None:
        self._limit, self._period, self._lock = limit, period, Lock()
        self._times: dict[str, deque[datetime]] = {}

    def exhausted(self, name: str, now: datetime) -> bool:
        """Whether this name has to wait."""
        with self._lock:
            times = self._times.get(name, deque())
            while times and not timedelta(0) <= now - times[0] <= self._period:  # a clock set back locks nobody out
                times.popleft()
            return len(times) >= self._limit

    def count(self, name: str, now: datetime) -> None:
        """Remembers that it happened."""
        with self._lock:
            times = self._times.setdefault(name, deque(maxlen=self._limit))
            times.append(now)
            if len(self._times) > MOST_NAMES:
                del self._times[next(iter(self._times))]

    def forget(self) -> None:
        """Begins anew."""
        with self._lock:
            self._times.clear()


LINKS = Attempts(limit=20)
"""Links that were never given out, by address"""
IMAGES = Attempts(limit=60)
"""Wrong addresses of images, by address"""
PASSWORDS = Attempts(limit=10)
"""Wrong passwords, by address"""
RATERS = Attempts(limit=100, period=timedelta(seconds=10))
"""Requests with answers, by token: ten times what quick fingers can do"""
