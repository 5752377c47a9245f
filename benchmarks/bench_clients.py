"""What users run: MLflow's client and ``ModelRegistry`` on kept connections, per way to start."""

from __future__ import annotations

import itertools
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
from bench_databases import tokenised
from bench_servers import Server, serving
from bench_timing import Figure, in_time, times_ms
from mlflow import MlflowClient

from hokusai.core import ModelRegistry

SOURCE = "s3://bucket/model"
Case = Callable[[], Any]
# An MLflow of its own has no uvloop; here it is installed, and stock would find it.
_ASYNCIO = ("--uvicorn-opts", "--loop asyncio")
_GUNICORN = ("--gunicorn-opts", "--timeout 120")
STARTS: Mapping[str, tuple[int | None, tuple[str, ...], tuple[str, ...]]] = {
    "default start": (None, (), _ASYNCIO),
    "default start, uvloop on both": (None, (), ()),
    "1 worker": (1, (), ()),
    "2 workers": (2, (), ()),
    "gunicorn, 2 workers": (2, _GUNICORN, _GUNICORN),
    "gunicorn, 4 workers": (4, _GUNICORN, _GUNICORN),
}
"""Workers, and options of our server and of stock's."""
BULK = 200


def measure(database: str, uri: str, versions: int, rounds: int) -> list[Figure]:
    """Figures of each call, for each way to start; ours and stock run side by side."""
    figures = []
    for start, (workers, ours_options, stock_options) in STARTS.items():
        with (
            tempfile.TemporaryDirectory(prefix="hokusai-bench-") as name,
            serving(uri, Path(name), plugin=True, workers=workers, options=ours_options) as ours,
            serving(uri, Path(name), plugin=False, workers=workers, options=stock_options) as stock,
        ):
            target = "≤0.25" if start == "default start" else "≤1"
            figures += _calls(database, versions, start, ours, stock, rounds, target)
            if start == "default start, uvloop on both":
                figures.append(_bulk(database, versions, ours, stock))
    return figures


def _calls(
    database: str,
    versions: int,
    start: str,
    ours: Server,
    stock: Server,
    rounds: int,
    target: str,
) -> list[Figure]:
    run = uuid.uuid4().hex[:8]
    cases = {f"ours {what}": case for what, case in _cases(ours, f"{run}-ours", True).items()}
    cases |= {f"stock {what}": case for what, case in _cases(stock, f"{run}-stock", False).items()}
    pairs = sorted(cases.items(), key=lambda item: item[0].split(" ", 1)[1])
    found = times_ms(dict(pairs), rounds, budget_s=30)
    return [
        in_time(
            database,
            versions,
            f"{what}, {start}",
            "stock server",
            found[f"ours {what}"],
            found[f"stock {what}"],
            target,
        )
        for what in _cases(stock, f"{run}-names", False)
    ]


def _cases(server: Server, prefix: str, is_ours: bool) -> dict[str, Case]:
    """The calls of one server; each that stock MLflow lacks, beside the one that does its work."""
    uri = f"http://127.0.0.1:{server.port}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    registry = ModelRegistry(uri, tracking_uri=uri)
    token_id = f"C-{prefix}".upper()
    count = itertools.count(1)
    client.create_registered_model(prefix)

    def tags() -> dict[str, str]:
        # Falling values: no decision is a DeltaOne.
        found = tokenised(token_id, f"0.{900000 - next(count)}")
        return {tag.key: tag.value for tag in found}

    def register() -> None:
        given = tags()
        if not is_ours:
            mlflow.set_tracking_uri(uri)
            mlflow.register_model(SOURCE, prefix, tags=given)
            return
        required = ("hokusai_token_id", "benchmark_metric", "benchmark_value")
        others = {key: value for key, value in given.items() if key not in required}
        registry.register_tokenized_model(
            SOURCE, prefix, *(given[key] for key in required), tags=others
        )

    client.create_model_version(prefix, SOURCE, tags=tags())
    by_token = f"tags.hokusai_token_id = '{token_id}'"
    return {
        "MlflowClient.create_model_version, tokenised": lambda: client.create_model_version(
            prefix, SOURCE, tags=tags()
        ),
        "MlflowClient.get_model_version": lambda: client.get_model_version(prefix, "1"),
        "MlflowClient.get_registered_model": lambda: client.get_registered_model(prefix),
        "MlflowClient.set_model_version_tag": lambda: client.set_model_version_tag(
            prefix, "1", "note", str(next(count))
        ),
        "register_tokenized_model": register,
        "list_models_by_token": lambda: (
            registry.ask("model-versions/list-by-token", token_id=token_id, max_results=10)
            if is_ours
            else client.search_model_versions(by_token, max_results=10)
        ),
    }


def _bulk(database: str, versions: int, ours: Server, stock: Server) -> Figure:
    """Many registrations, of models and tokens of their own, in seconds."""
    run = uuid.uuid4().hex[:8]
    items = [
        {
            "uri": SOURCE,
            "name": f"{run}-{number}",
            "token_id": f"B-{run}-{number}".upper(),
            "metric": "accuracy",
            "value": "0.5",
        }
        for number in range(BULK)
    ]
    uri = f"http://127.0.0.1:{ours.port}"
    begin = time.perf_counter()
    results = ModelRegistry(uri, tracking_uri=uri).register_tokenized_models(items, progress=False)
    taken = time.perf_counter() - begin
    failed = [result for result in results if isinstance(result, Exception)]
    if failed:
        raise failed[0]
    mlflow.set_tracking_uri(f"http://127.0.0.1:{stock.port}")
    begin = time.perf_counter()
    for item in items:
        tags = {"hokusai_token_id": item["token_id"], "benchmark_metric": "accuracy"}
        mlflow.register_model(
            SOURCE, f"stock-{item['name']}", tags={**tags, "benchmark_value": "1"}
        )
    theirs = time.perf_counter() - begin
    what = f"register_tokenized_models, {BULK} items"
    peer = "loop over mlflow.register_model"
    return Figure(database, versions, what, peer, taken * 1000, theirs * 1000, "ms", "≤0.333")
