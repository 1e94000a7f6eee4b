"""The researcher's app: how a study is going, without saying who leads. A process and a port of its own."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from app.headers import SecurityHeaders
from evalkit.errors import VotingError
from evalkit.settings import settings

if settings().researcher_password is None:
    raise VotingError(
        "the researcher's app needs a password",
        where="EVALKIT_RESEARCHER_PASSWORD",
        hint="set it, or start with `evalkit app researcher`, which makes one",
    )

app = st.App(Path(__file__).parent / "views" / "researching.py", middleware=[Middleware(SecurityHeaders)])
