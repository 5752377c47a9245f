"""Every statement of every route reads ranges of indexes, and every index of ours has its query.

And each is compiled once: to make its SQL anew for each call takes longer than to execute it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from plans.large_registry import AMENDED, COMPLETE, COMPLETE_TOKEN
from plans.plans import Plan, plans_of
from sqlalchemy import Connection, Engine

from hokusai_mlflow_plugin.db.deltaone import (
    decision_log,
    paid_runs,
    past_decisions,
    past_values,
    series_heads,
    surroundings,
)
from hokusai_mlflow_plugin.db.history import history_rows
from hokusai_mlflow_plugin.db.index import index_rows, live_versions, token_pages
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.keys import ModelId, SeriesId, VersionId
from hokusai_mlflow_plugin.db.policy import finding_rows
from hokusai_mlflow_plugin.db.rewards import (
    delivery_queue,
    delivery_state,
    event_rows,
    event_standing,
    replays,
)
from hokusai_mlflow_plugin.db.schema.tables import metadata
from hokusai_mlflow_plugin.db.tokens import token_owners
from hokusai_mlflow_plugin.services.queries.by_route import QUERIES
from hokusai_mlflow_plugin.services.visibility import Visible
from hokusai_mlflow_plugin.settings import Settings
from hokusai_mlflow_plugin.web.pages.pages import PAGES, Page

# MLflow's tables for models, and those of ours that grow with the registry. SQLite's plans name a
# table by its alias.
LARGE = {
    "registered_models",
    "registered_model_tags",
    "model_versions",
    "model_version_tags",
    # These two have one row for each workspace.
    *(set(metadata.tables) - {"hokusai_reward_ledgers", "hokusai_verifications"}),
    "decided",
    "baseline",
    "own_decision",
    "achieved_over",
    "asked",
    "reviewed",
    "settled",
    "revocations_of",
} - {"hokusai_state"}

WORKSPACE = "default"
MODEL = ModelId(WORKSPACE, COMPLETE)
VERSION = VersionId(WORKSPACE, COMPLETE, 1)
AMENDED_VERSION = VersionId(WORKSPACE, AMENDED, 50)
SERIES = SeriesId(WORKSPACE, COMPLETE_TOKEN, "f1_score")
FIRST_DECISION = f"d-{COMPLETE}-1"
CREATED = 1_700_000_000_000
AS_FOUND = Version(VERSION, CREATED, None, None)

ASKED = {"settings": Settings(), "user": "alice", "claims_tokens": True}
ROUTES: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "model-versions/list-by-token": (
        {"token_id": COMPLETE_TOKEN},
        {"token_id": COMPLETE_TOKEN, "max_results": 1},
    ),
    "registered-models/lineage": (
        {"name": COMPLETE},
        {"name": COMPLETE, "include_ancestors": True},
        {"name": COMPLETE, "max_results": 1},
    ),
    "tokens/list": ({}, {"prefix": "TOK-17"}),
    "tokens/get": ({"token_id": COMPLETE_TOKEN},),
    "tags/validate": (
        {"tags": [{"key": "hokusai_token_id", "value": COMPLETE_TOKEN}], **ASKED},
        {"tags": [], "name": COMPLETE, **ASKED},
    ),
    "deltaone/detect": ({"name": COMPLETE}, {"name": COMPLETE, "version": 2}),
    "reward-events/list": ({}, {"after": 50}, {"token_id": COMPLETE_TOKEN}),
    "reward-events/checkpoint": ({},),
    "policy/list": ({},),
    "registered-models/history": ({"name": COMPLETE}, {"name": COMPLETE, "max_results": 1}),
    "tokens/history": (
        {"token_id": COMPLETE_TOKEN},
        {"token_id": COMPLETE_TOKEN, "max_results": 1},
    ),
    "tokens/publishers": ({"token_id": COMPLETE_TOKEN, "settings": Settings()},),
    "tokens/check": ({}, {"undeclared": True}),
}
"""The parameters with which each route is asked; where there is a second page, for that too."""

PAGES_ASKED: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "": ({}, {"prefix": "TOK-17"}),
    "token": ({"token_id": COMPLETE_TOKEN, "settings": Settings()},),
    "model": ({"name": COMPLETE}, {"name": COMPLETE, "before": 2}),
    "version": ({"name": COMPLETE, "version": 2},),
    "ledger": ({}, {"before": 50}, {"token_id": COMPLETE_TOKEN}),
    "event": ({"id": f"event-{COMPLETE}"},),
    "findings": ({},),
    "try": ({"hokusai_token_id": "IMG-001", **ASKED},),
}
"""The parameters of each page's query. In one state, the ledger's page looks at the newest 10,000
events, which here are a good part of the table."""

Call = Callable[[Connection], Any]

INDEXED: Mapping[str, Call] = {
    "ix_hokusai_token_index_token": lambda c: token_pages.versions_of_token(
        c, WORKSPACE, COMPLETE_TOKEN, None, 11
    ),
    "ix_hokusai_decisions_history": lambda c: decision_log.history(
        c, AMENDED_VERSION, CREATED, (CREATED + 10**6, "d"), 100
    ),
    "ix_hokusai_decisions_model": lambda c: decision_log.of_model_or_token(
        c, WORKSPACE, MODEL, (CREATED, "d"), 100
    ),
    "ix_hokusai_decisions_token": lambda c: decision_log.of_model_or_token(
        c, WORKSPACE, COMPLETE_TOKEN, (CREATED, "d"), 100
    ),
    "ix_hokusai_history_model": lambda c: history_rows.of_model_or_token(
        c, WORKSPACE, MODEL, (CREATED, "d"), 100
    ),
    "ix_hokusai_history_token": lambda c: history_rows.of_model_or_token(
        c, WORKSPACE, COMPLETE_TOKEN, (CREATED, "d"), 100
    ),
    "ix_hokusai_decisions_outcome": lambda c: past_decisions.past_decisions(c, AS_FOUND),
    "ix_hokusai_decisions_baseline": lambda c: past_decisions.past_decisions(c, AS_FOUND),
    "ix_hokusai_series_token": lambda c: series_heads.lock_everywhere(c, SERIES),
    "uq_hokusai_reward_events_event_id": lambda c: replays.replay(
        c, WORKSPACE, f"event-{COMPLETE}", 0
    ),
    "ix_hokusai_reward_events_token": lambda c: event_rows.read_events(
        c, WORKSPACE, 0, 100, COMPLETE_TOKEN
    ),
    "ix_hokusai_reward_corrections_event": lambda c: event_standing.read_corrections(
        c, WORKSPACE, f"event-{COMPLETE}"
    ),
    "ix_hokusai_reward_corrections_decision": lambda c: past_decisions.past_decisions(c, AS_FOUND),
    "ix_hokusai_paid_runs_decision": lambda c: paid_runs.give_back_all(
        c, WORKSPACE, FIRST_DECISION
    ),
    "ix_hokusai_reward_deliveries_due": lambda c: delivery_queue.claim_next(
        c, 2_000_000_000_000, 2_000_000_060_000
    ),
}
"""For each index of ours, the call whose plan uses it."""

WRITES: Mapping[str, Call] = {
    "asking a token's owner": lambda c: token_owners.read_owner(c, COMPLETE_TOKEN, "alice"),
    "claiming a token": lambda c: token_owners.claim(c, WORKSPACE, COMPLETE_TOKEN, 1),
    "renaming a history": lambda c: history_rows.rename_model(c, MODEL, "other-name"),
    "judging a version": lambda c: surroundings.read_surroundings(c, MODEL, SERIES),
    "reading a version": lambda c: live_versions.read_version(c, VERSION),
    "reading a version's tags": lambda c: live_versions.read_tags(c, VERSION, {"a", "b"}),
    "giving a model a token": lambda c: live_versions.versions_of_other_tokens(
        c, MODEL, COMPLETE_TOKEN, 6
    ),
    "taking a version out": lambda c: index_rows.remove(c, VERSION),
    "taking a model out": lambda c: index_rows.remove_model(c, MODEL),
    "renaming a model": lambda c: (
        index_rows.rename_model(c, MODEL, "other-name"),
        finding_rows.rename_model(c, MODEL, "other-name"),
    ),
    "moving a head": lambda c: series_heads.move_head(
        c, SERIES, FIRST_DECISION, "1", "d", earned=False
    ),
    "who decided on a version": lambda c: decision_log.actors_of(c, VERSION, CREATED),
    "who wrote its tags": lambda c: history_rows.actors_of(c, VERSION, "tags_written"),
    "locking tags": lambda c: past_decisions.past_decisions(c, AS_FOUND),
    "beginning a series": lambda c: past_values.read_live(c, SERIES),
    "claiming a delivery": lambda c: delivery_queue.claim_next(
        c, 2_000_000_000_000, 2_000_000_060_000
    ),
    "measuring the backlog": delivery_state.backlog,
}


def _refused(plans: list[Plan]) -> list[Plan]:
    return [plan for plan in plans if plan.scanned_tables() & LARGE or not plan.is_compiled_once]


def _pages(path: str, given: Mapping[str, Any], **others: Any) -> Call:
    def ask(connection: Connection) -> None:
        answer = QUERIES[path](connection, WORKSPACE, **given, **others)
        if page_token := answer.get("next_page_token"):
            QUERIES[path](connection, WORKSPACE, **given, **others, page_token=page_token)

    return ask


@pytest.mark.parametrize("path", sorted(QUERIES))
def test_no_route_scans_a_large_table(large_registry: Engine, path: str) -> None:
    """Each statement of a route reads ranges of indexes only, also on its second page."""
    for given in ROUTES[path]:
        assert not _refused(plans_of(large_registry, _pages(path, given)))


@pytest.mark.parametrize("path", ["model-versions/list-by-token", "tokens/list", "tokens/get"])
def test_nor_for_someone_who_may_read_some_models_only(large_registry: Engine, path: str) -> None:
    """Leaving out what the asker may not read costs no scan of a large table."""
    for given in ROUTES[path]:
        visible = Visible(lambda name: name != "model-18")
        assert not _refused(plans_of(large_registry, _pages(path, given, visible=visible)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path or "tokens")
def test_no_page_scans_a_large_table(large_registry: Engine, page: Page) -> None:
    """Nor do the pages, made of the routes' queries and some more."""
    for given in PAGES_ASKED[page.path]:

        def ask(connection: Connection, given: Mapping[str, Any] = given) -> None:
            page.query(connection, WORKSPACE, **given)

        assert not _refused(plans_of(large_registry, ask))


@pytest.mark.parametrize("what", WRITES)
def test_no_write_scans_a_large_table(large_registry: Engine, what: str) -> None:
    """What a write reads and changes of ours is found through an index."""
    plans = plans_of(large_registry, WRITES[what])
    assert plans
    assert not _refused(plans)


@pytest.mark.parametrize("index", INDEXED)
def test_each_index_has_its_query(large_registry: Engine, index: str) -> None:
    """An index that no query reads would only slow down writes."""
    plans = plans_of(large_registry, INDEXED[index])
    assert any(index in plan.text for plan in plans), plans


def test_every_index_and_route_is_looked_at() -> None:
    """A new index comes with the query that needs it, and a new route with its plans."""
    assert {index.name for table in metadata.tables.values() for index in table.indexes} == set(
        INDEXED
    )
    assert set(QUERIES) == set(ROUTES)
    assert {page.path for page in PAGES} == set(PAGES_ASKED)
