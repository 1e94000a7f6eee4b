"""Signing in by OpenID Connect, the whole way, with a provider on this machine: who is on the list comes in."""

from __future__ import annotations

import pytest
import requests
from pydantic import SecretStr

from evalkit.voting import server
from tests.app.identity_provider import CLIENT, SECRET, provider
from tests.app.serving import serve

ADA = {"email": "ada@lab.example", "email_verified": True, "name": "Ada"}


@pytest.fixture(scope="module")
def known():
    pytest.importorskip("authlib", reason="authlib is not installed (pip install evalkit[oidc])")
    with provider() as running:
        yield running


@pytest.fixture(scope="module")
def researcher(trial, known, tmp_path_factory):
    """The address of the researcher's app, which knows no password."""
    port = server._free_port()
    told = {"oidc_client_id": CLIENT, "oidc_client_secret": SecretStr(SECRET), "researcher_password": None}
    told |= {"oidc_metadata_url": f"{known.address}/.well-known/openid-configuration"}
    told |= {"oidc_redirect_url": f"http://localhost:{port}/oauth2callback", "researcher_emails": ADA["email"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "_free_port", lambda: port)
        log = tmp_path_factory.mktemp("log") / "researcher.log"
        with serve("researcher", trial.settings.model_copy(update=told), log):
            yield f"http://localhost:{port}"


def test_it_starts_without_a_password_and_passes_no_forged_request_on(researcher):
    query = {"provider": "default"}
    answer = requests.get(f"{researcher}/auth/login", params=query, allow_redirects=False, timeout=60)
    assert answer.is_redirect and answer.headers["Location"] == "/"  # not signed by the app: not passed on
    assert SECRET not in answer.text + str(answer.headers)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("claims", "forged", "seen"),
    [
        (ADA, False, "trial"),
        ({**ADA, "email": "ADA@Lab.example "}, False, "trial"),
        ({**ADA, "email": "eve@lab.example"}, False, "not on the list of researchers"),
        ({**ADA, "email_verified": False}, False, "not on the list of researchers"),
        (ADA, True, "Sign in"),
    ],
    ids=["on-the-list", "written-otherwise", "not-on-the-list", "not-verified", "forged-signature"],
)
def test_who_signs_in_sees_the_studies_if_on_the_list(require, chromium, known, researcher, claims, forged, seen):
    require("browser")
    known.claims, known.forged = claims, forged
    known.asked.clear()
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(researcher)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{researcher}/**")
    page.get_by_text(seen).first.wait_for()
    if forged:
        page.wait_for_timeout(1500)
        assert page.get_by_text("trial").count() == 0
    assert {"/authorize", "/token", "/jwks"} <= set(known.asked)
    cookies = [cookie for cookie in context.cookies() if cookie["name"].startswith("_streamlit_user")]
    assert bool(cookies) != forged and all(one["httpOnly"] and one["sameSite"] == "Lax" for one in cookies)
    if not forged:  # F5 keeps it; signing out ends it
        page.reload()
        page.get_by_text(seen).first.wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in").wait_for()
    context.close()
