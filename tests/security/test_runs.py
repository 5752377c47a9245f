"""R14 under basic-auth: what a run logged counts for, and is shown to, those who may read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from security.accounts import ADMIN, READER, STRANGER, grant_read
from security.servers import Auth, Server

MODEL = "of-a-private-run"


def _post(server: Server, path: str, body: Any, auth: Auth = ADMIN) -> Any:
    answer = server.post(f"mlflow/{path}", body, auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def run_id(guarded: Server) -> Iterator[str]:
    """A run of the administrator's, in an experiment that nobody else may read."""
    experiment = _post(guarded, "experiments/create", {"name": "private"})["experiment_id"]
    run = _post(guarded, "runs/create", {"experiment_id": experiment, "start_time": 1})
    found = str(run["run"]["info"]["run_id"])
    metric = {"run_id": found, "key": "accuracy", "value": 0.9, "timestamp": 1}
    _post(guarded, "runs/log-metric", metric)
    yield found
    for model in (MODEL, "strangers"):
        guarded.post("mlflow/registered-models/delete", {"name": model}, ADMIN)
    # MLflow deletes softly: another test could not take the name again.
    _post(guarded, "experiments/update", {"experiment_id": experiment, "new_name": found})
    _post(guarded, "experiments/delete", {"experiment_id": experiment})


def _register(server: Server, name: str, run_id: str, value: str, auth: Auth) -> int:
    tags = {"hokusai_token_id": "RUN-001", "benchmark_metric": "accuracy", "benchmark_value": value}
    _post(server, "registered-models/create", {"name": name}, auth)
    body = {
        "name": name,
        "source": "s3://bucket/model",
        "run_id": run_id,
        "tags": [{"key": key, "value": text} for key, text in tags.items()],
    }
    return server.post("mlflow/model-versions/create", body, auth).status_code


def _decision(server: Server, name: str, auth: Auth) -> Any:
    answer = server.ask("deltaone/detect", auth, name=name)
    assert answer.status_code == 200, answer.text
    return answer.json()["decision"]


def test_logged_value(guarded: Server, run_id: str) -> None:
    """Who may read the model but not the run sees the decision without what the run logged."""
    assert _register(guarded, MODEL, run_id, "0.8", ADMIN) == 200
    grant_read(guarded, READER, MODEL)
    theirs, own = _decision(guarded, MODEL, READER), _decision(guarded, MODEL, ADMIN)
    assert (own["evidence"], own.pop("logged_value")) == ("mismatch", "0.9")
    assert theirs == own


def test_a_run_that_the_sender_may_not_read(guarded: Server, run_id: str) -> None:
    """It is no evidence; newer MLflow refuses the version itself."""
    status = _register(guarded, "strangers", run_id, "0.9", STRANGER)
    assert status in (200, 403)
    if status == 200:
        decision = _decision(guarded, "strangers", ADMIN)
        assert decision["evidence"] == "claimed"
        assert "logged_value" not in decision
