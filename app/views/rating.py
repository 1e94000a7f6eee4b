"""Which page a rater sees. All follows from the link and the database, so that F5 and a second tab are harmless."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import streamlit as st

from app.attempts import LINKS
from app.database import engine
from app.views import comparing, consenting, guiding, plain
from app.wording import best_language, wording
from evalkit.errors import EvalkitError, UnknownLinkError, VotingError
from evalkit.store import db
from evalkit.voting import serving

LOG = logging.getLogger(__name__)


class Refused(Exception):
    """The link opens nothing; the argument names the page that says so."""


def page() -> None:
    """Runs once for each thing that happens in a browser."""
    asked = best_language(st.query_params.get("lang"), st.context.locale)
    st.set_page_config(page_title=wording(asked)["page_title"], layout="wide", initial_sidebar_state="collapsed")
    try:
        token = st.query_params.get("t", "")
        _route(_enter(token, st.context.ip_address or "this machine", datetime.now(UTC)), token)
    except Refused as refusal:
        plain.message(wording(asked), str(refusal))
    except EvalkitError as error:
        LOG.warning("%s", error)
        plain.message(wording(asked), "trouble")


def _enter(token: str, address: str, now: datetime) -> serving.RaterState:
    if not token:
        raise Refused("no_link")
    with db.session(engine(), reading=True) as session:
        try:
            return serving.enter(session, token, now)
        except (
            UnknownLinkError
        ) as error:  # a guess; many people may share an address, and their links open all the same
            if LINKS.exhausted(address, now):
                raise Refused("too_many") from error
            LINKS.count(address, now)
            LOG.warning("%s", error)
            raise Refused("refused") from error
        except VotingError as error:
            LOG.warning("%s", error)
            raise Refused("refused") from error


def _route(state: serving.RaterState, token: str) -> None:
    lang = best_language(st.query_params.get("lang"), *state.languages, st.context.locale)
    if state.finished:
        plain.done(wording(lang), state.completion_code, state.return_url)
    elif state.closed:
        plain.message(wording(lang), "closed")
    elif not state.consented:
        consenting.page(state, lang)
    elif state.passed_on:
        plain.message(wording(lang), "passed_on")
    elif guiding.is_due(state):
        guiding.page(state, token, lang)
    else:
        comparing.page(state, token, lang)


page()
