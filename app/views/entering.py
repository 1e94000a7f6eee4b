"""Who may see the researcher's pages: by password, or by a sign-in (OpenID Connect) whose e-mail is on the list."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

import streamlit as st

from app.attempts import PASSWORDS
from evalkit.settings import settings


def entered() -> bool:
    """Whether this session may go on; asks for what is needed otherwise."""
    if settings().oidc_client_id is not None and st.user.get("is_logged_in"):
        return _is_invited(str(st.user.get("email") or ""), bool(st.user.get("email_verified", False)))
    if st.session_state.get("entered"):
        return True
    st.title("evalkit: studies", anchor=False)
    if settings().oidc_client_id is not None:
        st.button("Sign in", type="primary", on_click=st.login)
    if settings().researcher_password is not None:
        _ask()
    return False


def leave() -> None:
    """The way out, for whoever shares a machine."""
    if settings().oidc_client_id is not None and st.user.get("is_logged_in"):
        st.button("Sign out", on_click=st.logout)
    else:
        st.button("Leave", on_click=lambda: st.session_state.pop("entered", None))


def _is_invited(email: str, verified: bool) -> bool:
    if may_enter(email, verified, settings().researcher_emails):
        return True
    st.title("evalkit: studies", anchor=False)
    st.error("This account is not on the list of researchers (EVALKIT_RESEARCHER_EMAILS).")
    st.button("Sign out", on_click=st.logout)
    return False


def may_enter(email: str, verified: bool, allowed: str) -> bool:
    """Whether a verified e-mail is among those named, separated by commas."""
    return verified and email.strip().lower() in {one.strip().lower() for one in allowed.split(",") if one.strip()}


def _ask() -> None:
    with st.form("login", width=400):
        given = st.text_input("Password", type="password", autocomplete="current-password")
        if st.form_submit_button("Enter", type="primary"):
            _check(given, st.context.ip_address or "this machine", datetime.now(UTC))


def _check(given: str, address: str, now: datetime) -> None:
    password = settings().researcher_password
    if PASSWORDS.exhausted(address, now):
        st.error("Too many attempts. Wait a minute.")
    elif password and hmac.compare_digest(given.encode(), password.get_secret_value().encode()):
        st.session_state["entered"] = True
        st.rerun()
    else:
        PASSWORDS.count(address, now)
        st.error("That is not the password.")
