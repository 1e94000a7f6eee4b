"""A rater's tab without a browser, many to a process: Streamlit's protobufs over its websocket, and plain HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect


class Tab:
    """One websocket session. `images`: addresses of st.image; `component`: what the comparison is made of."""

    def __init__(self, address: str, query: str = "") -> None:
        self.address, self.query = address, query
        self.images: list[str] = []
        self.component: dict[str, Any] | None = None
        self._widgets: dict[str, str] = {}
        self._states: dict[str, WidgetState] = {}
        self._cached: dict[str, ForwardMsg] = {}
        self._socket: ClientConnection | None = None
        self.web = Web(address)

    async def open(self) -> None:
        url = f"ws://{urlsplit(self.address).netloc}/_stcore/stream"
        self._socket = await connect(
            url, subprotocols=["streamlit"], max_size=2**26, proxy=None, compression=None, open_timeout=120
        )
        await self.run()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        self.web.close()

    async def run(self, key: str | None = None, **value: Any) -> None:
        """Has the script run, with a widget's new state, and reads until it is through."""
        message = BackMsg()
        message.rerun_script.query_string = self.query
        if key is not None:
            state = WidgetState(id=self._widgets[key], **value)
            if "trigger_value" not in value:
                self._states[key] = state
            message.rerun_script.widget_states.widgets.extend({**self._states, key: state}.values())
        self.images, self._widgets = [], {}
        await self._socket.send(message.SerializeToString())
        while not self._through(await self._socket.recv()):
            pass

    def _through(self, raw: bytes) -> bool:
        message = ForwardMsg.FromString(raw)
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            message = self._cached[message.ref_hash]
            kind = message.WhichOneof("type")
        elif message.hash:
            self._cached[message.hash] = message
        if kind == "new_session":
            self.images, self._widgets = [], {}
        elif kind == "delta":
            self._note(message.delta.new_element)
        return kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY

    def _note(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        drawn = getattr(element, kind) if kind else None
        if kind == "imgs":
            self.images += [image.url for image in drawn.imgs]
        elif kind == "bidi_component" and drawn.component_name == "evalkit.comparison":
            self.component = json.loads(drawn.json)
        if drawn is not None and "id" in drawn.DESCRIPTOR.fields_by_name:
            self._widgets[drawn.id.rsplit("-", 1)[-1]] = drawn.id


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
