"""Our routes and counters in MLflow's Prometheus exporter, added up over worker processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from security.seeds import FIRST, TOKEN, seed
from security.servers import GUNICORN, Server, serve
from support.databases import AllDatabases


@pytest.fixture(scope="module", params=[(), GUNICORN], ids=["uvicorn", "gunicorn"])
def server(
    request: pytest.FixtureRequest,
    all_databases: AllDatabases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server of each kind with the exporter and two workers."""
    folder = tmp_path_factory.mktemp("metrics")
    options = ("--workers", "2", "--expose-prometheus", str(folder / "metrics"), *request.param)
    with serve(folder, all_databases.of("sqlite").create(), *options) as running:
        seed(running)
        yield running


def _sample(server: Server, name: str, **labels: str) -> float | None:
    text = requests.get(f"{server.url}/metrics", timeout=60).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return None


def test_decisions_are_counted_by_outcome(server: Server) -> None:
    """Every decision on the seeded versions is counted, whichever worker took it."""
    counts = {
        outcome: _sample(server, "hokusai_decisions_total", outcome=outcome)
        for outcome in ("baseline", "achieved", "regressed")
    }
    assert counts == {"baseline": 2, "achieved": 3, "regressed": 1}


def test_refusals_are_counted_by_rule(server: Server) -> None:
    """Each rule that a refused write broke is counted."""
    tags = [{"key": "hokusai_token_id", "value": "bad"}]
    body = {"name": FIRST, "source": "s3://b/m", "tags": tags}
    for _time in range(3):
        assert server.post("mlflow/model-versions/create", body).status_code == 400
    for rule, count in (("token_id_invalid", 3), ("required_tag_missing", 3)):
        assert _sample(server, "hokusai_refusals_total", rule=rule) == count


def test_requests_are_counted_by_route(server: Server) -> None:
    """Each request to our routes is counted with its route, method and status."""
    for token_id in (TOKEN, "NO-ONE", "bad"):
        server.ask("tokens/get", token_id=token_id)
    name = "hokusai_http_request_duration_seconds_count"
    for status in ("200", "404", "400"):
        assert _sample(server, name, route="tokens/get", method="GET", status=status) == 1


def test_age_of_the_outbox_is_shown(server: Server) -> None:
    """The oldest event that nobody delivered grows older."""
    first = _sample(server, "hokusai_outbox_age_seconds")
    second = _sample(server, "hokusai_outbox_age_seconds")
    assert first is not None
    assert second is not None
    assert 0 < first < second < 600
