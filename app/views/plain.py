"""The pages that only say something: thank you, closed, refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import streamlit as st


@contextmanager
def sheet(words: Mapping[str, Any]) -> Iterator[None]:
    """A panel in the middle of the page, in the direction of the language."""
    with st.container(key=words["direction"]), st.container(key="sheet"):
        yield


def message(words: Mapping[str, Any], about: str) -> None:
    """Title and text of one of: no_link, refused, too_many, closed, no_more, passed_on, trouble."""
    with sheet(words):
        st.title(words[f"{about}_title"], anchor=False)
        st.write(words[f"{about}_text"])


def done(words: Mapping[str, Any], code: str | None, return_url: str | None) -> None:
    """Thanks, the code that proves the work, and the way back to the platform that sent the rater."""
    with sheet(words):
        st.title(words["done_title"], anchor=False)
        st.write(words["done_text"])
        if code:
            st.write(words["done_code"])
            st.code(code, language=None)
        if return_url and return_url.startswith(("https://", "http://")):
            st.link_button(words["done_return"], return_url, type="primary")
