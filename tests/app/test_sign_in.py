"""Signing in by OpenID Connect: the researcher's app is served without a password where a provider is named."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from pydantic import SecretStr

from tests.app.serving import serve


@pytest.fixture
def provider():
    """The address of an identity provider, as far as its description goes."""

    class Described(BaseHTTPRequestHandler):
        def do_GET(self):
            here = f"http://127.0.0.1:{self.server.server_port}"
            known = {"issuer": here, "authorization_endpoint": f"{here}/authorize", "token_endpoint": f"{here}/token"}
            known |= {"jwks_uri": f"{here}/jwks", "response_types_supported": ["code"]}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(known).encode())

        def log_message(self, *_):
            pass

    running = HTTPServer(("127.0.0.1", 0), Described)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()


def test_it_starts_without_a_password_and_passes_no_forged_request_on(trial, provider, tmp_path):
    pytest.importorskip("authlib", reason="authlib is not installed (pip install evalkit[oidc])")
    told = {"oidc_client_id": "evalkit", "oidc_client_secret": SecretStr("s3cret-of-the-client")}
    told |= {
        "oidc_metadata_url": f"{provider}/.well-known/openid-configuration",
        "researcher_emails": "ada@lab.example",
    }
    settings = trial.settings.model_copy(update={**told, "researcher_password": None})
    with serve("researcher", settings, tmp_path / "log") as address:
        answer = requests.get(
            f"{address}/auth/login", params={"provider": "default"}, allow_redirects=False, timeout=60
        )
    assert answer.is_redirect and answer.headers["Location"] == "/"  # not signed by the app: not passed on
    assert "s3cret" not in answer.text + str(answer.headers)
