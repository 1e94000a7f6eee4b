"""A rater's tab without a browser, many to a process: Streamlit's messages over its websocket, and plain HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from evalkit.errors import UnavailableError
from evalkit.voting.streamlit_page import Page, rerun, state


class Tab:
    """One websocket session. `page`: what it shows; `web`: plain requests over one connection of its own.

    Raises:
        UnavailableError: the app cannot be reached.
    """

    def __init__(self, address: str, query: str = "") -> None:
        self.address, self.query = address, query
        self.page, self.web = Page(), Web(address)
        self._states: dict[str, Any] = {}
        self._socket: Any = None

    @property
    def images(self) -> list[str]:
        return self.page.images

    @property
    def component(self) -> dict[str, Any] | None:
        return self.page.component

    async def open(self) -> None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException
        from websockets.typing import Subprotocol

        url = f"ws://{urlsplit(self.address).netloc}/_stcore/stream"
        try:
            self._socket = await connect(
                url,
                subprotocols=[Subprotocol("streamlit")],
                max_size=2**26,
                proxy=None,
                compression=None,
                open_timeout=120,
            )
        except (OSError, WebSocketException) as error:
            raise UnavailableError(f"the app cannot be reached: {error}", where=self.address) from error
        await self.run()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        self.web.close()

    async def run(self, key: str | None = None, **value: Any) -> None:
        """Has the script run, with a widget's new state, and reads until it is through."""
        from websockets.exceptions import WebSocketException

        states = {}
        if key is not None:
            states = {**self._states, key: state(self.page.widgets[key], **value)}
            if "trigger_value" not in value:
                self._states[key] = states[key]
        self.page.clear()
        try:
            await self._socket.send(rerun(self.query, states.values()))
            while not self.page.take(await self._socket.recv()):
                pass
        except WebSocketException as error:
            raise UnavailableError(f"the app went away: {error}", where=self.address) from error


class Web:
    """HTTP/1.1 over one kept connection, as a browser keeps it; as cheap as can be, for there are many."""

    def __init__(self, address: str) -> None:
        self._host, self._port = urlsplit(address).hostname, urlsplit(address).port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    async def post(self, path: str, content: Any) -> tuple[int, bytes]:
        body = json.dumps(content).encode()
        head = f"Host: {self._host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        return await self._ask(f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        try:
            return await self._once(request)
        except (ConnectionError, asyncio.IncompleteReadError):  # the server has closed a connection that lay idle
            self.close()
            return await self._once(request)

    async def _once(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**22)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0]) if "content-length:" in head else 0
        return int(head.split()[1]), await reader.readexactly(length)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
