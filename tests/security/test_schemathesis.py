"""Schemathesis makes requests from the description, good and bad, to a live server."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from security.servers import AJAX_PREFIX, PREFIX, Server
from support.examples import share

from hokusai_mlflow_plugin.web.api.contract import documents, openapi
from hokusai_mlflow_plugin.web.api.routes import ROUTES

EXAMPLES = share(200)
DOCUMENTS = [each.path for each in documents()]
OPERATIONS = [
    *((route.method, route.path) for route in ROUTES),
    *(("GET", path) for path in DOCUMENTS),
]
BARE = [*DOCUMENTS, "policy/list", "reward-events/checkpoint"]
"""Routes of which few requests differ."""


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_answer_is_outside_the_contract(sqlite_server: Server, method: str, path: str) -> None:
    """No 5xx, no undocumented status, type or field, and nothing taken that the contract forbids.

    That every well-formed request be accepted is not asked: no schema can tell a page token or a
    token id that exists.
    """
    schema = schemathesis.openapi.from_dict(openapi((PREFIX, AJAX_PREFIX)))
    operation = schema[f"/{path}"][method]
    good = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    bad = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    tried = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=good if path in DOCUMENTS else st.one_of(good, bad))
    def ask(case: schemathesis.Case) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate(
            base_url=sqlite_server.url + PREFIX.rstrip("/"),
            excluded_checks=[positive_data_acceptance],
        )

    ask()
    assert tried >= (EXAMPLES // 4 if path not in BARE else 1)
