"""What Streamlit's messages say of a page: its widgets, its pictures, and the comparison that it shows.

Shared by the two visitors without a browser: visit.py (one, that keeps all it receives) and tab.py (many at once).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

COMPONENT = "evalkit.comparison"


@dataclass
class Page:
    """One session's page. `images`: addresses of st.image; `component`: what the comparison page is made of."""

    images: list[str] = field(default_factory=list)
    component: dict[str, Any] | None = None
    widgets: dict[str, str] = field(default_factory=dict)
    """key of a widget -> its id"""
    _cached: dict[str, Any] = field(default_factory=dict)

    def take(self, raw: bytes) -> bool:
        """Reads one message; says whether the script is through and will not be run again."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = ForwardMsg.FromString(raw)
        if message.WhichOneof("type") == "ref_hash":
            message = self._cached[message.ref_hash]
        elif message.hash:
            self._cached[message.hash] = message
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.clear()
        elif kind == "delta":
            self._note(message.delta.new_element)
        return bool(kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY)

    def clear(self) -> None:
        """An empty page, as a new run of its script begins."""
        self.images, self.widgets, self.component = [], {}, None

    def _note(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        drawn: Any = getattr(element, kind) if kind else None
        if kind == "imgs":
            self.images += [image.url for image in drawn.imgs]
        elif kind == "bidi_component" and drawn.component_name == COMPONENT:
            self.component = json.loads(drawn.json)
        if drawn is not None and "id" in drawn.DESCRIPTOR.fields_by_name:
            self.widgets[drawn.id.rsplit("-", 1)[-1]] = drawn.id


def state(identifier: str, **value: Any) -> Any:
    """A widget's new state, as `bool_value=True`."""
    from streamlit.proto.WidgetStates_pb2 import WidgetState

    return WidgetState(id=identifier, **value)


def rerun(query: str, states: Iterable[Any]) -> bytes:
    """The message that has the page's script run, with these states of its widgets."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    message = BackMsg()
    message.rerun_script.query_string = query
    message.rerun_script.widget_states.widgets.extend(states)
    return bytes(message.SerializeToString())
