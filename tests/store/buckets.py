"""A real S3-compatible server on this machine, by moto: its API over HTTP, its objects in memory."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from evalkit.settings import Settings


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty folder in a bucket, which this process and those that it starts can reach."""
    server = pytest.importorskip("moto.server", reason="moto is not installed (pip install 'evalkit[dev]')")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed (pip install 'evalkit[s3]')")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    told = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
    for name, value in (told | {"DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"evalkit-{secrets.token_hex(4)}"
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}/lab"
    running.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def in_bucket(settings: Settings, address: str) -> Settings:
    """The same settings with images and runs in the bucket."""
    return settings.model_copy(update={"storage": address})
