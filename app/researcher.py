"""The researcher's app: how a study is going, without saying who leads. A process and a port of its own."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from app.headers import RESEARCHER_SCRIPTS, SecurityHeaders
from evalkit.errors import VotingError
from evalkit.settings import settings


def sign_in() -> dict[str, Any] | None:
    """What Streamlit's st.login needs, from the environment alone; None where no identity provider is named."""
    known = settings()
    if known.oidc_client_id is None or known.oidc_client_secret is None or known.oidc_metadata_url is None:
        return None
    given = known.secret.get_secret_value() if known.secret else secrets.token_hex(32)
    cookies = hashlib.sha256(f"researcher's cookies|{given}".encode()).hexdigest()
    return {
        "auth": {
            "redirect_uri": known.oidc_redirect_url,
            "cookie_secret": cookies,
            "client_id": known.oidc_client_id,
            "client_secret": known.oidc_client_secret.get_secret_value(),
            "server_metadata_url": known.oidc_metadata_url,
        }
    }


if settings().researcher_password is None and sign_in() is None:
    raise VotingError(
        "the researcher's app needs a password, or an identity provider",
        where="EVALKIT_RESEARCHER_PASSWORD, or EVALKIT_OIDC_METADATA_URL, _CLIENT_ID and _CLIENT_SECRET",
        hint="set it, or start with `evalkit app researcher`, which makes one",
    )

app = st.App(
    Path(__file__).parent / "views" / "researching.py",
    secrets=sign_in(),
    middleware=[Middleware(SecurityHeaders, scripts=RESEARCHER_SCRIPTS)],
)
