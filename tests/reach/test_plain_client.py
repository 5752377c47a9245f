"""A stock client with a plain http registry URI, and a model that this server does not have."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from support.iris import IrisRun
from support.servers import Server


@pytest.mark.parametrize("uri", ["runs:/{0.run_id}/model", "models:/{0.model_id}"])
def test_a_foreign_logged_model(
    laptop: Path,
    iris_run: IrisRun,
    registry_server: Server,
    new_name: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
) -> None:
    """It gets a 404 at once, which names the server that was asked and the two ways out (R16)."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry_server.uri)
    begun = time.monotonic()
    with pytest.raises(MlflowException) as refused:
        mlflow.register_model(uri.format(iris_run), new_name())
    assert time.monotonic() - begun < 20  # it does not try again, for minutes
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    for told in (
        f"{iris_run.model_id} is not on {registry_server.uri}",
        f"hokusai+{registry_server.uri}",
        "--backend-store-uri",
    ):
        assert told in refused.value.message
