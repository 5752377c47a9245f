"""A stock client with a plain http registry URI, and a model that this server does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from support.iris import IrisRun
from support.servers import Server
from urllib3.connectionpool import HTTPConnectionPool


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each attempt to have a version created, as it goes out: one that is repeated is in it twice.

    Of a client that waits as long as MLflow's own default before it gives up.
    """
    attempts: list[str] = []
    send = HTTPConnectionPool._make_request

    def sending(self: Any, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if url.endswith("model-versions/create"):
            attempts.append(f"{method} {url}")
        return send(self, conn, method, url, *args, **kwargs)

    monkeypatch.setattr(HTTPConnectionPool, "_make_request", sending)
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    return attempts


@pytest.mark.parametrize("uri", ["runs:/{0.run_id}/model", "models:/{0.model_id}"])
def test_a_foreign_logged_model(
    laptop: Path,
    iris_run: IrisRun,
    registry_server: Server,
    new_name: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    asked: list[str],
    uri: str,
) -> None:
    """It gets a 404 that names the server and the two ways out, and does not ask again (R16)."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry_server.uri)
    with pytest.raises(MlflowException) as refused:
        mlflow.register_model(uri.format(iris_run), new_name())
    assert asked == ["POST /api/2.0/mlflow/model-versions/create"]
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert refused.value.get_http_status_code() == 404
    for told in (
        f"{iris_run.model_id} is not on {registry_server.uri}",
        f"hokusai+{registry_server.uri}",
        "--backend-store-uri",
    ):
        assert told in refused.value.message
