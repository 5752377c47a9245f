"""The same over HTTP: two servers on one database, and wrk or a keep-alive client as the load."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench_databases import tokenised
from bench_reads import VERSIONS_PER_MODEL
from bench_servers import Server, serving
from bench_timing import Figure, in_time, times_ms

MLFLOW = "/api/2.0/mlflow"
HOKUSAI = "/api/2.0/hokusai"
LIST = f"{HOKUSAI}/model-versions/list-by-token?token_id=TOK-@&max_results=10"
GET = f"{MLFLOW}/model-versions/get?name=model-@&version=1"
SEARCH = f"{MLFLOW}/model-versions/search?filter=tags.hokusai_token_id%3D'TOK-@'&max_results=10"
CHEAPEST = f"{HOKUSAI}/tokens/list?prefix=NO-SUCH&max_results=1"
HEALTH = "/health"

# Every request asks for another model or token.
_SCRIPT = """
function init(args) path, models = args[1], tonumber(args[2]); math.randomseed(os.time()) end
function request()
  return wrk.format("GET", (path:gsub("@", tostring(math.random(0, models - 1)))))
end
"""


def measure(database: str, uri: str, versions: int, rounds: int, seconds: int) -> list[Figure]:
    """Figures over HTTP on one database."""
    if shutil.which("wrk") is None:
        raise SystemExit(
            "Install the load generator wrk (on Debian and Ubuntu: apt-get install wrk)."
        )
    with tempfile.TemporaryDirectory(prefix="hokusai-bench-") as name:
        folder = Path(name)
        with (
            serving(uri, folder, plugin=True) as ours,
            serving(uri, folder, plugin=False) as stock,
        ):
            figures = _reads(database, versions, ours, stock, rounds, seconds, folder)
            figures += _writes(database, versions, ours, stock, rounds * 20)
            figures.append(
                Figure(
                    database,
                    versions,
                    "memory of the worker after all of this",
                    "stock server",
                    ours.memory_mib,
                    stock.memory_mib,
                    "MiB",
                )
            )
    return figures


def _reads(
    database: str,
    versions: int,
    ours: Server,
    stock: Server,
    rounds: int,
    seconds: int,
    folder: Path,
) -> list[Figure]:
    script = folder / "random.lua"
    script.write_text(_SCRIPT)
    models = versions // VERSIONS_PER_MODEL
    routes = {
        "list by token": (ours, LIST),
        "stock model-versions/get": (stock, GET),
        "stock tag search": (stock, SEARCH),
        "our cheapest route": (ours, CHEAPEST),
        "/health of the same server": (ours, HEALTH),
    }
    figures = []
    for clients in (1, 8):
        samples: dict[str, list[float]] = {name: [] for name in routes}
        for _round in range(rounds):
            for name, (server, path) in routes.items():
                samples[name].append(_wrk(server, path, models, clients, seconds, script))
        rate = {name: statistics.median(found) for name, found in samples.items()}
        on = f"HTTP, {clients} client{'s' if clients > 1 else ''}"
        for what, peer, target in (
            ("list by token", "stock model-versions/get", "≥1.5"),
            ("list by token", "stock tag search", "≥15" if versions >= 10**5 else ""),
            ("our cheapest route", "/health of the same server", ""),
        ):
            shown = f"{what}, page of 10, {on}" if "list" in what else f"{what}, {on}"
            figures.append(
                Figure(
                    database,
                    versions,
                    shown,
                    peer,
                    rate[what],
                    rate[peer],
                    "req/s",
                    target if database == "postgresql" else "",
                )
            )
    return figures


def _wrk(server: Server, path: str, models: int, clients: int, seconds: int, script: Path) -> float:
    """Answered requests per second; an answer that is no success ends the benchmark."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s", "-s", str(script)]
    command += [f"http://127.0.0.1:{server.port}", "--", path, str(models)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output:
        raise RuntimeError(f"{path}\n{output}")
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", output)
    assert found is not None, output
    # Of a slow route fewer than one may be answered in the time: it counts as one.
    elapsed = float(found[2]) * {"ms": 0.001, "s": 1, "m": 60}[found[3]]
    return max(int(found[1]), 1) / elapsed


def _writes(database: str, versions: int, ours: Server, stock: Server, rounds: int) -> list[Figure]:
    run = uuid.uuid4().hex[:8]
    cases: dict[str, Callable[[], Any]] = {}
    for who, server in (("stock", stock), ("ours", ours)):
        for what, case in _write_cases(server, f"http-{run}-{who}", f"H-{run}".upper()).items():
            cases[f"{who} {what}"] = case
    cases = dict(sorted(cases.items(), key=lambda item: item[0].split(" ", 1)[1]))
    found = times_ms(cases, rounds, budget_s=60)
    targets: Mapping[str, str] = {
        "create version, tokenised and decided": "≤1.15",
    }
    return [
        in_time(
            database,
            versions,
            f"{what}, HTTP",
            "stock server",
            found[f"ours {what}"],
            found[f"stock {what}"],
            targets.get(what, "") if database == "postgresql" else "",
        )
        for what in sorted({name.split(" ", 1)[1] for name in cases})
    ]


def _write_cases(server: Server, prefix: str, token_id: str) -> dict[str, Callable[[], Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)

    def post(route: str, body: Mapping[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"{MLFLOW}/{route}", json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{route}: {answer.status} {text.decode()}")

    count = itertools.count(1)
    plain = [{"key": f"tag-{number}", "value": "value"} for number in range(5)]
    for kind in ("plain", "tokenised", "tag"):
        post("registered-models/create", {"name": f"{prefix}-{kind}"})
    create, source = "model-versions/create", "s3://bucket/model"
    post(create, {"name": f"{prefix}-tag", "source": source})

    def tags() -> list[dict[str, str]]:
        value = f"0.{900000 - next(count)}"
        return [{"key": tag.key, "value": tag.value} for tag in tokenised(token_id, value)]

    return {
        "create version, untokenised": lambda: post(
            create, {"name": f"{prefix}-plain", "source": source, "tags": plain}
        ),
        "create version, tokenised and decided": lambda: post(
            create, {"name": f"{prefix}-tokenised", "source": source, "tags": tags()}
        ),
        "set version tag": lambda: post(
            "model-versions/set-tag",
            {"name": f"{prefix}-tag", "version": "1", "key": "note", "value": str(next(count))},
        ),
    }
