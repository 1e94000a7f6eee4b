"""DEPLOY.md as it is written: two replicas on one PostgreSQL behind its nginx.conf; one dies, nothing is lost."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from contextlib import ExitStack

import pytest
import requests
from sqlalchemy import func, select

from evalkit.store import db
from evalkit.store.tables import AssignmentRow, SheetRow, VoteRow
from evalkit.voting import server
from evalkit.voting.visit import Visit
from tests.app.conftest import new_settings
from tests.app.serving import open_trial
from tests.conftest import ROOT
from tests.voting.databases import migrated_postgres, postgres

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@pytest.fixture
def behind(require, tmp_path_factory):
    """(study, (process, port) of two replicas, (address of the proxy, its folder))."""
    require("postgres")
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed (apt-get install nginx)")
    folder = tmp_path_factory.mktemp("replicas")
    with ExitStack() as opened:
        url = opened.enter_context(postgres(migrated_postgres()))
        settings = new_settings(tmp_path_factory).model_copy(update={"database_url": url})
        study = open_trial(settings, raters=10)
        replicas = [opened.enter_context(replica(study.settings, folder / f"{number}.log")) for number in range(2)]
        yield study, replicas, opened.enter_context(proxy([port for _, port in replicas], folder / "nginx"))
        study.engine.dispose()


class replica:
    """A served app that may be killed before the block ends."""

    def __init__(self, settings, log):
        self.settings, self.log = settings, log

    def __enter__(self):
        port = server._free_port()
        words, environment = server.command("rater", port, "127.0.0.1"), self.settings.environment()
        self.out = self.log.open("wb")
        self.process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=self.out, stderr=subprocess.STDOUT)
        server._wait(f"http://127.0.0.1:{port}/_stcore/health", self.process, self.log)
        return self.process, port

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.out.close()


class proxy:
    """nginx with DEPLOY.md's own configuration, on other ports; all that it says goes into its folder.

    `without`: the start of a line that is left out.
    """

    def __init__(self, ports, folder, without=None):
        self.ports, self.folder, self.without = ports, folder, without
        folder.mkdir()

    def __enter__(self):
        text = re.search(r"```nginx\n(.*?)```", (ROOT / "DEPLOY.md").read_text(), re.DOTALL)[1]
        port = server._free_port()
        for old, new in {8601: self.ports[0], 8602: self.ports[1], 8600: port}.items():
            assert str(old) in text
            text = text.replace(str(old), str(new))
        if self.without:
            text = "\n".join(line for line in text.splitlines() if not line.strip().startswith(self.without))
        path = self.folder / "nginx.conf"
        path.write_text(f"daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log;\n{text}")
        words, out = ["nginx", "-p", str(self.folder), "-c", str(path)], (self.folder / "stderr.log").open("wb")
        with out:
            self.process = subprocess.Popen(words, stderr=out)
        address = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                requests.get(f"{address}/health", timeout=10)
                return address, self.folder
            except requests.ConnectionError:
                time.sleep(0.1)
        raise AssertionError("nginx does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def test_a_replica_dies_and_its_raters_go_on(behind):
    study, replicas, (address, folder) = behind
    assert requests.get(f"{address}/health", timeout=10).json() == {"status": "ok"}
    token = study.invite().token
    with Visit(address, token) as visit:
        visit.consent()
        for turn in range(7):
            assert visit.comparison["position"] == turn + 1
            assert {visit.get(visit.comparison[side]).status for side in ("left", "right")} == {200}
            visit.answer({question["name"]: "left" for question in visit.comparison["questions"]})
            if turn == 2:
                replicas[0][0].kill()
            if turn == 5:
                break
    with db.session(study.engine, reading=True) as session:
        stored = session.scalar(select(func.count(VoteRow.id)).join(AssignmentRow).join(SheetRow))
    assert stored == 12
    replicas[1][0].kill()
    replicas[1][0].wait()
    assert requests.get(f"{address}/?t={token}", timeout=10).status_code == 502
    said = {path.name: path.read_text() for path in (*folder.glob("*.log"), *folder.parent.glob("*.log"))}
    assert len(said) == 4 and [name for name, text in said.items() if token in text or "client:" in text] == []
    with proxy([port for _, port in replicas], folder.parent / "twin", without="error_log") as (talking, twin):
        assert requests.get(f"{talking}/?t={token}", timeout=10).status_code == 502
        told = (twin / "error.log").read_text()
    assert "client: 127.0.0.1" in told and token in told  # the twin: nginx left to itself
