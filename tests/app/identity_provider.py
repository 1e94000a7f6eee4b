"""A small OpenID Connect provider on this machine: description, keys, sign-in without a form, token. For the tests."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "evalkit", "s3cret-of-the-client"


@dataclass
class Provider:
    """`claims`: what it says of whoever signs in next; `forged`: it signs with a key that is not its own."""

    address: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    forged: bool = False
    codes: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def description(self) -> dict[str, Any]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        lists = {"response_types_supported": ["code"], "id_token_signing_alg_values_supported": ["RS256"]}
        lists |= {"subject_types_supported": ["public"], "scopes_supported": ["openid", "profile", "email"]}
        return {"issuer": self.address, **{key: f"{self.address}/{path}" for key, path in names.items()}, **lists}


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider that answers until the block ends."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    known, key, other = Provider(), RSAKey.generate_key(2048, {"kid": "a"}), RSAKey.generate_key(2048, {"kid": "a"})

    def token(code: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": known.address, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 600, **known.claims}
        claims["nonce"] = known.codes.pop(code)
        signed = jwt.encode({"alg": "RS256", "kid": "a"}, claims, other if known.forged else key)
        return {"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": signed}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            known.asked.append(url.path)
            if url.path == "/jwks":
                return self.say({"keys": [key.as_dict(private=False)]})
            if url.path != "/authorize":
                return self.say(known.description)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            code = secrets.token_hex(8)
            known.codes[code] = asked.get("nonce", "")
            self.send_response(302)
            back = urlencode({"code": code, "state": asked["state"]})
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            return self.end_headers()

        def do_POST(self) -> None:
            known.asked.append(self.path)
            body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            if self.headers.get("Authorization") != basic and body.get("client_secret") != [SECRET]:
                return self.say({"error": "invalid_client"}, 401)
            return self.say(token(body["code"][0]))

        def say(self, content: dict[str, Any], status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    known.address = f"http://localhost:{running.server_port}"
    try:
        yield known
    finally:
        running.shutdown()
