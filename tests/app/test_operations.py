"""What those who run the app see: /healthz, and its log in lines of JSON, in which nobody is named."""

from __future__ import annotations

import json
import sqlite3

import requests

from evalkit.store import db
from evalkit.voting import closing
from evalkit.voting.visit import Visit
from tests.app.conftest import new_settings
from tests.app.serving import open_trial, secrets_of, serve
from tests.voting.studies import NOW


def test_health_and_log_of_a_served_study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operations")
    log = folder / "app.jsonl"
    study = open_trial(new_settings(tmp_path_factory).model_copy(update={"app_log": str(log)}), raters=3)
    token = study.invite().token
    with serve("rater", study.settings, folder / "out") as address:
        healthy = requests.get(f"{address}/healthz", timeout=30)
        with Visit(address, token) as visit:
            visit.consent()
            shown = [visit.get(visit.comparison[side]).url for side in ("left", "right")]
            visit.answer({question["name"]: "left" for question in visit.comparison["questions"]})
        with db.session(study.engine) as session:
            closing.set_closed(session, study.study_id, NOW)
        closed = requests.get(f"{address}/healthz", timeout=30)
        study.engine.dispose()
        with sqlite3.connect(study.settings.data_dir / "evalkit.db") as opened:
            opened.execute("ALTER TABLE study RENAME TO gone")
        broken = requests.get(f"{address}/healthz", timeout=30)
    assert (healthy.status_code, healthy.json()) == (200, {"status": "ok", "database": "answers", "study": "open"})
    assert (closed.status_code, closed.json()["study"]) == (200, "none open")
    assert broken.status_code == 503 and broken.json()["database"] == "does not answer"
    told = "".join(answer.text for answer in (healthy, closed, broken)) + str(healthy.headers)
    assert not [secret for secret in secrets_of(study) if secret in told]

    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    routes = {line["route"] for line in lines if line["logger"] == "app.requests"}
    assert {"/", "/answers", "/img/...", "/healthz"} <= routes and all(
        {"at", "level", "what"} <= set(ln) for ln in lines
    )
    assert any(line["level"] == "error" and "trace" in line for line in lines)
    assert token not in text and "127.0.0.1" not in text and not [path for path in shown if path in text]
