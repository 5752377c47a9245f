"""Workers that are forked from a process that has made the app."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from support.databases import AllDatabases
from support.registry import SOURCE, token_tags
from support.servers import Server, mlflow_server

PRELOAD = ("--workers", "4", "--gunicorn-opts", "--preload --timeout 120")
THREADS, REQUESTS = 16, 400


def _status(server: Server, number: int) -> int:
    """One of four queries: ours and MLflow's, to registry and tracking."""
    path = (
        "hokusai/model-versions/list-by-token?token_id=IMG-001",
        "mlflow/registered-models/search",
        "hokusai/tokens/list",
        "mlflow/experiments/get?experiment_id=0",
    )[number % 4]
    return requests.get(f"{server.uri}/api/2.0/{path}", timeout=60).status_code


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_preloaded_workers_share_no_connection(
    tmp_path: Path, all_databases: AllDatabases, dialect: str
) -> None:
    """Under ``gunicorn --preload`` every query of many at once is answered."""
    uri = all_databases.of(dialect).create()
    options = (*PRELOAD, "--backend-store-uri", uri)
    with mlflow_server(tmp_path, *options, registry_uri=f"hokusai+{uri}") as server:
        api = f"{server.uri}/api/2.0/mlflow"
        model = {"name": "model"}
        tags = [{"key": key, "value": value} for key, value in token_tags().items()]
        version = {**model, "source": SOURCE, "tags": tags}
        for path, body in (("registered-models", model), ("model-versions", version)):
            requests.post(f"{api}/{path}/create", json=body, timeout=60).raise_for_status()
        with ThreadPoolExecutor(THREADS) as pool:
            found = Counter(pool.map(lambda n: _status(server, n), range(REQUESTS)))
    assert found == {200: REQUESTS}
