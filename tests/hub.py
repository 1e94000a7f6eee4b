"""A small server that speaks the model hub's API, for tests: one folder is one repository at one revision."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """What the server knows and saw: `repositories` by id, `asked` the files that were downloaded, in order."""

    endpoint: str = ""
    revision: str = "0123456789abcdef0123456789abcdef01234567"
    repositories: dict[str, Path] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    """sizes that are told instead of the true ones, by file name"""
    lenient: bool = False
    """a fault: any revision is answered with the only one"""
    breaks: dict[str, bool] = field(default_factory=dict)
    """a fault: the connection breaks off in the middle of this file, once"""
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
        if parts[:2] in (["api", "models"], ["api", "datasets"]):
            self._info("/".join(parts[2:4]), parts[5] if parts[4:5] == ["revision"] else None)
        elif parts[:1] == ["datasets"] and parts[3:4] == ["resolve"]:
            self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        elif parts[2:3] == ["resolve"]:
            self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._send(404, b"{}")

    def _info(self, repository: str, revision: str | None) -> None:
        if self._refused(repository, revision):
            return
        folder = self.hub.repositories[repository]
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        sizes = {name: self.hub.sizes.get(name, (folder / name).stat().st_size) for name in files}
        siblings = [{"rfilename": name, "size": size, "blobId": "0"} for name, size in sizes.items()]
        self._send(200, json.dumps({"id": repository, "sha": self.hub.revision, "siblings": siblings}).encode())

    def _file(self, repository: str, revision: str, name: str) -> None:
        path = self.hub.repositories[repository] / name
        if self._refused(repository, revision):
            return
        if not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        if self.command == "GET":
            self.hub.asked.append(name)
        content = path.read_bytes()
        if self.hub.breaks.pop(name, False) and self.command == "GET":
            self._break_off(content)
            return
        etag = hashlib.sha256(content).hexdigest()
        self._send(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": self.hub.revision})

    def _break_off(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def _refused(self, repository: str, revision: str | None) -> bool:
        if repository not in self.hub.repositories:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif repository in self.hub.gated:
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif revision not in (None, "main", self.hub.revision) and not self.hub.lenient:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            return False
        return True

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
