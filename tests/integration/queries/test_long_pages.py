"""Pages of what is longest: their documents stay short, whatever people wrote and how much."""

from __future__ import annotations

import json
import re

import pytest
from support.bulk import seed_versions
from support.pages import document
from support.registry import METRIC, VALUE, create_version, token_tags

from hokusai_mlflow_plugin.services.queries.ledger_pages import newest_events
from hokusai_mlflow_plugin.services.queries.model_histories import (
    model_with_history,
    version_with_history,
)
from hokusai_mlflow_plugin.services.queries.token_histories import (
    token_with_history,
    tokens_with_history,
)

MAX_DOCUMENT = 300_000
LONG_NAME = "n" * 200
LONG_TEXT = "so long a text " * 300  # ten of it fit into a tag on MySQL


def address(number: int) -> str:
    return f"0x{number:040x}"


@pytest.fixture
def crowded(store):
    """One token with 1,000 contributors of 10,000 versions."""
    seed_versions(store, 10_000, names=[f"{LONG_NAME}{number}" for number in range(10)])
    with store.engine.begin() as connection:
        for number in range(1, 1001):
            connection.exec_driver_sql(
                "UPDATE hokusai_token_index SET contributor_address = "
                f"'{address(number)}' WHERE version = {number}"
            )
    return store


def test_token_of_a_thousand_contributors(crowded):
    """The first hundred are shown, and how many there are besides."""
    answer = crowded.ask(token_with_history, "IMG-001")
    assert len(answer["token"]["contributors"]) == 1000
    html = document("token", answer)
    assert html.count("0x00000000") == 100
    assert "And 900 more contributors" in html
    assert len(html.encode()) < MAX_DOCUMENT


def test_long_texts_are_cut_off(store):
    """A hundred versions with names and contributors of any length are one short page."""
    for number in range(100):
        tags = token_tags(contributor=LONG_TEXT, **{VALUE: f"0.{number + 100}"})
        create_version(store, LONG_NAME, tags={**tags, "note": LONG_TEXT * 10})
    for path, query, given in (
        ("token", token_with_history, {"token_id": "IMG-001"}),
        ("model", model_with_history, {"name": LONG_NAME}),
        ("ledger", newest_events, {}),
        ("version", version_with_history, {"name": LONG_NAME, "version": 1}),
        ("", tokens_with_history, {}),
    ):
        html = document(path, store.ask(query, **given), **given)
        assert len(html.encode()) < MAX_DOCUMENT, path


def test_many_metrics_are_few_charts(store):
    """Of a hundred metrics the page draws some, and says how many more the table has."""
    for number in range(100):
        create_version(store, tags=token_tags(**{METRIC: f"score {number:03}", VALUE: "0.5"}))
        create_version(store, tags=token_tags(**{METRIC: f"accuracy {number:03}", VALUE: "0.5"}))
    for path, query, given in (
        ("token", token_with_history, {"token_id": "IMG-001"}),
        ("model", model_with_history, {"name": "model"}),
    ):
        html = document(path, store.ask(query, **given), **given)
        drawn = len(re.findall('<figure class="chart"', html))
        assert drawn == 8
        assert "And 92 more metrics, in the table below" in html
        assert len(html.encode()) < MAX_DOCUMENT


def test_many_payees_are_named_on_the_page_of_their_event(store):
    """The ledger names five of a hundred payees."""
    shares = [{"address": address(number), "weight": 100} for number in range(1, 101)]
    for value in ("0.5", "0.6"):
        create_version(store, tags=token_tags(contributors=json.dumps(shares), **{VALUE: value}))
    html = document("ledger", store.ask(newest_events))
    assert html.count('class="payee"') == 5
    assert "and 95 more" in html
