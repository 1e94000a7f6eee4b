"""`evalkit app`: serves the raters' or the researcher's app, each a process of its own with a port of its own."""

from __future__ import annotations

import os
import secrets

from pydantic import SecretStr

from evalkit.outcome import Outcome
from evalkit.registry import unknown
from evalkit.settings import Settings
from evalkit.voting.server import CHECKOUT, command

PORTS = {"rater": 8501, "researcher": 8502}
ADDRESSES = {"rater": "0.0.0.0", "researcher": "127.0.0.1"}
"""Raters come from outside; the researcher's app answers this machine only, unless told otherwise."""


def announce(which: str, *, port: int | None = None) -> Outcome:
    """What is said before the server takes over this process.

    Raises:
        SpecError: there is no such app.
    """
    if which not in PORTS:
        raise unknown("app", which, PORTS)
    url = f"http://localhost:{port or PORTS[which]}"
    said = f"the {which}'s app is at {url}; Ctrl-C stops it, and loses no vote"
    return Outcome(said, facts={"url": url})


def serve(which: str, settings: Settings, *, port: int | None = None, address: str | None = None) -> None:
    """Becomes the server: this process is replaced, so that signals reach it. Does not return.

    A researcher's app without EVALKIT_RESEARCHER_PASSWORD gets a new password, printed once.

    Args:
        which: rater or researcher.
        address: the network address to listen on.

    Raises:
        SpecError: `which` is neither.
    """
    if which not in PORTS:
        raise unknown("app", which, PORTS)
    if which == "researcher" and settings.researcher_password is None and settings.oidc_client_id is None:
        password = secrets.token_urlsafe(12)
        print(f"password of the researcher's app, until it stops: {password}", flush=True)
        settings = settings.model_copy(update={"researcher_password": SecretStr(password)})
    words = command(which, port or PORTS[which], address or ADDRESSES[which])
    os.chdir(CHECKOUT)
    os.execve(words[0], words, settings.environment())
