"""A simulated panel at a served app: each rater a tab of its own, over Streamlit's websocket and `POST /answers`.

The server meets what it meets from people: a page that runs once, two pictures for each comparison, one request an
answer, the same again after no answer. What raters prefer is planted, as in simulate.py.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from evalkit.errors import UnavailableError, VotingError
from evalkit.voting.panelists import USUAL, Handicap, Panelist, Prefer, Sight, Temper, answer
from evalkit.voting.simulate import handicap
from evalkit.voting.tab import Tab

PATIENCE = 120.0
"""Seconds for which a program sends an answer again that the server did not acknowledge."""
BUSY, SLOW_DOWN = 503, 429


@dataclass
class Heard:
    """What the server acknowledged: (assignment, question) -> choice; and seconds until it did, answer by answer."""

    votes: dict[tuple[int, str], str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    again: int = 0
    """requests that had to be sent again"""
    left: int = 0
    """raters who dropped out"""


@dataclass(frozen=True)
class Panel:
    """Who votes, and what they prefer. `wrong`: the golds, as simulate.wrong_sides knows them.

    `speed`: how many times faster than their own seconds they answer; 0 makes no pauses.
    """

    members: Sequence[tuple[str, Panelist]]
    """(token, rater)"""
    prefer: Prefer
    temper: Temper = USUAL
    wrong: Mapping[int, tuple[Handicap, bool]] = field(default_factory=dict)
    speed: float = 0.0
    at_once: int = 50
    until: float | None = None
    """a time of time.monotonic() after which nobody begins another comparison"""


def vote(address: str, panel: Panel, told: Callable[[int], None] = lambda done: None) -> Heard:
    """Lets the panel vote at the app of `address`; `told` hears how many raters are through.

    Raises:
        UnavailableError: the app cannot be reached, or acknowledges nothing for two minutes.
        VotingError: it refuses an answer.
    """
    return asyncio.run(_vote(address.rstrip("/"), panel, told))


async def _vote(address: str, panel: Panel, told: Callable[[int], None]) -> Heard:
    heard, places = Heard(), asyncio.Semaphore(panel.at_once)
    through = 0

    async def one(token: str, rater: Panelist) -> None:
        nonlocal through
        async with places:
            await _Desk(address, token, rater, panel, heard).work()
        through += 1
        told(through)

    await asyncio.gather(*(one(token, rater) for token, rater in panel.members))
    return heard


@dataclass
class _Desk:
    """One rater at work."""

    address: str
    token: str
    rater: Panelist
    panel: Panel
    heard: Heard
    letters: int = 0

    async def work(self) -> None:
        tab = await self._opened()
        try:
            shown = tab.component["comparison"] if tab.component else None
            while shown is not None and not self._is_over():
                if self.rater.is_gone(shown["position"], shown["total"]):
                    self.heard.left += 1
                    return
                shown = await self._comparison(tab, shown)
        finally:
            await tab.close()

    async def _opened(self) -> Tab:
        """The page, loaded again while the app is away or says that something went wrong."""
        until = time.monotonic() + PATIENCE
        while True:
            tab = Tab(self.address, f"t={self.token}&step=go")
            try:
                await tab.open()
                if tab.component is not None:
                    return tab
            except UnavailableError:
                if time.monotonic() > until:
                    raise
            await tab.close()
            if time.monotonic() > until:
                raise VotingError("the page shows no comparison", where=self.address, hint="is the study open there?")
            await asyncio.sleep(0.5)

    def _is_over(self) -> bool:
        return self.panel.until is not None and time.monotonic() > self.panel.until

    async def _comparison(self, tab: Tab, shown: dict[str, Any]) -> dict[str, Any] | None:
        """Looks at both pictures, answers what is not answered, and goes on; the comparison after it."""
        for side in ("left", "right"):
            status, _ = await self._patiently(tab, partial(tab.web.get, shown[side]))
            if status != 200:
                raise VotingError(f"an image was not delivered: status {status}", where=self.address)
        hidden = bool(shown.get("prompt_hidden"))
        for question in shown["questions"]:
            if question["name"] in shown["answers"]:
                continue
            if hidden and question["needs_prompt"]:
                await self._send(tab, {"do": "reveal", "assignment": shown["assignment"]})
                hidden = False
            await self._answer(tab, shown, question)
        told = await self._send(tab, {"do": "finish", "assignment": shown["assignment"]})
        following: dict[str, Any] | None = told.get("comparison")
        return following

    async def _answer(self, tab: Tab, shown: dict[str, Any], question: dict[str, Any]) -> None:
        about, name = shown["assignment"], question["name"]
        worse = handicap(self.panel.wrong, about, question["needs_prompt"])
        left, right = (shown[side].split("/")[2] for side in ("left", "right"))
        seen = Sight(left, right, name, worse, shown["position"] / max(1, shown["total"]))
        choice, taken = answer(seen, self.rater, self.panel.prefer, self.panel.temper)
        if self.panel.speed:
            await asyncio.sleep(taken / 1000 / self.panel.speed)
        started = time.monotonic()
        cast = {"do": "cast", "assignment": about, "question": name, "choice": choice, "response_ms": taken}
        await self._send(tab, cast)
        self.heard.seconds.append(time.monotonic() - started)
        self.heard.votes[about, name] = choice

    async def _send(self, tab: Tab, action: dict[str, Any]) -> dict[str, Any]:
        """One action, sent until it is acknowledged, as the page does."""
        self.letters += 1
        letter = {"token": self.token, "lang": "en", "outbox": [{"id": f"simulated-{self.letters}", **action}]}
        status, body = await self._patiently(tab, partial(tab.web.post, "/answers", letter))
        told: dict[str, Any] = json.loads(body)
        if status != 200 or set(told.get("acknowledged", {"": "nothing"}).values()) != {None}:
            raise VotingError(f"the app refused an answer: status {status}", where=self.address)
        return told

    async def _patiently(self, tab: Tab, ask: Callable[[], Awaitable[tuple[int, bytes]]]) -> tuple[int, bytes]:
        """The same request again, while the app is away, busy, or wants less of them."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                status, body = await ask()
            except (OSError, asyncio.IncompleteReadError):
                status, body = BUSY, b""
                tab.web.close()
            if status not in (BUSY, SLOW_DOWN):
                return status, body
            if time.monotonic() > until:
                raise UnavailableError("the app answers no more", where=self.address)
            self.heard.again += 1
            await asyncio.sleep(0.5)
