"""A visit to the raters' app without a browser: the page, Streamlit's messages and the images, as a browser gets them.

Used by the leak check. It speaks Streamlit's own protocol, `BackMsg` and `ForwardMsg` over a websocket at
/_stcore/stream, and sends answers to /answers, as the comparison page does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

from evalkit.errors import UnavailableError, VotingError
from evalkit.voting import streamlit_page
from evalkit.voting.streamlit_page import Page

TIMEOUT = 60.0
"""Seconds that the server may take for an answer."""


@dataclass(frozen=True)
class Received:
    """An answer to one request."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    milliseconds: float


@dataclass
class Visit:
    """One rater's tab. `messages` holds everything that came over the websocket, `responses` every HTTP answer.

    Raises:
        UnavailableError: the app cannot be reached, or does not answer in time.
        VotingError: it shows something else than a comparison where one is needed.
    """

    address: str
    token: str
    messages: list[bytes] = field(default_factory=list)
    responses: list[Received] = field(default_factory=list)
    acknowledged: dict[str, str | None] = field(default_factory=dict)
    comparison: dict[str, Any] | None = None
    _page: Page = field(default_factory=Page)
    _number: int = 0
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Visit:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        self.get(f"/?{self._query}")
        stream = f"ws://{urlsplit(self.address).netloc}/_stcore/stream"
        try:
            opening = connect(stream, subprotocols=[Subprotocol("streamlit")], max_size=2**26, proxy=None)
            self._socket = self._open.enter_context(opening)
        except (OSError, WebSocketException) as error:
            raise UnavailableError(f"the app cannot be reached: {error}", where=self.address) from error
        self._run([])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def get(self, path: str) -> Received:
        """Asks for a path of the app, as the page would."""
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, **content: Any) -> Received:
        import requests

        started, headers = time.perf_counter(), {"Accept-Encoding": "gzip"}
        try:
            answer = requests.request(method, self.address + path, timeout=TIMEOUT, headers=headers, **content)
        except requests.RequestException as error:
            raise UnavailableError(f"the app cannot be reached: {error}", where=self.address) from error
        passed = 1000 * (time.perf_counter() - started)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        self.responses.append(Received(path, answer.status_code, headers, answer.content, passed))
        return self.responses[-1]

    def consent(self) -> None:
        """Ticks the box and starts."""
        self._run([self._state("agreed", bool_value=True), self._state("start", trigger_value=True)])

    def answer(self, choices: Mapping[str, str], response_ms: int = 1000) -> None:
        """Answers the comparison on the page (question -> choice) and goes on to the next."""
        shown = self.comparison
        if shown is None:
            raise VotingError("the page shows no comparison", where=self.address)
        about = {"assignment": shown["assignment"]}
        hidden = [q["name"] for q in shown["questions"] if q.get("needs_prompt") and shown.get("prompt_hidden")]
        actions: list[dict[str, Any]] = []
        for question, choice in sorted(choices.items(), key=lambda item: item[0] in hidden):
            if question in hidden and not any(action["do"] == "reveal" for action in actions):
                actions.append({"do": "reveal", **about})
            actions.append({"do": "cast", **about, "question": question, "choice": choice, "response_ms": response_ms})
        self.send([*actions, {"do": "finish", **about}])

    def send(self, actions: list[dict[str, Any]]) -> None:
        """Sends an outbox, each action with a fresh id, and notes what comes back."""
        outbox = []
        for action in actions:
            self._number += 1
            outbox.append({"id": f"visit-{self._number}", **action})
        answer = self._ask("POST", "/answers", json={"token": self.token, "lang": "en", "outbox": outbox})
        told = json.loads(answer.body)
        self.acknowledged = told.get("acknowledged", {})
        self.comparison = told.get("comparison", self.comparison)
        if told.get("over"):
            self._run([self._state("comparison", trigger_value=True)])

    @property
    def _query(self) -> str:
        return urlencode({"t": self.token, "step": "go"})  # past the instructions and their example

    def _state(self, key: str, **value: Any) -> Any:
        if key not in self._page.widgets:
            raise VotingError(f"the page has no {key!r}", where=self.address)
        return streamlit_page.state(self._page.widgets[key], **value)

    def _run(self, states: list[Any]) -> None:
        """Has the page's script run with these states of its widgets, and reads until it is through."""
        self.comparison = None
        self._page.clear()
        self._socket.send(streamlit_page.rerun(self._query, states))
        while not self._page.take(self._receive()):
            pass
        shown = self._page.component
        self.comparison = shown["comparison"] if shown else None

    def _receive(self) -> bytes:
        try:
            raw = self._socket.recv(timeout=TIMEOUT)
        except (TimeoutError, OSError) as error:
            raise UnavailableError("the app does not answer", where=self.address) from error
        self.messages.append(raw if isinstance(raw, bytes) else raw.encode())
        return self.messages[-1]
