"""What enforcement costs, in statements sent to the database."""

from __future__ import annotations

from functools import partial

import pytest
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from support.bulk import seed_versions
from support.registry import (
    METRIC,
    PROMPT,
    TOKEN,
    VALUE,
    create_model,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)
from support.statements import statements

from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token
from hokusai_mlflow_plugin.store.registry_store import build_store

TOKENISED_CREATE = 4
"""How many more statements a tokenised ``create_model_version`` may send than MLflow's own."""
LOCKED_WRITE = 3
"""The same for deleting a tag and changing a stage: the model is locked first, see
``tests/concurrency``."""
LIST_BY_TOKEN = 2
LINEAGE = 3


@pytest.fixture
def stock_store(database_uri):
    """MLflow's own store on the same database."""
    return SqlAlchemyStore(database_uri)


def cost(store, write):
    """How many statements a write sends."""
    with statements(store.engine) as sent:
        write(store)
    assert sent
    return len(sent)


ADDRESS = "0x" + 40 * "a"
BOUND = "bound"
UNRULED = {
    "create unmeasured of a bound model": lambda store: create_version(store, BOUND, tags={}),
    "create": lambda store: create_version(store, tags={}),
    "create with tags": lambda store: create_version(
        store, tags={"a": "b", METRIC: "x", VALUE: "y"}
    ),
    "create prompt": lambda store: create_version(store, tags={PROMPT: "true", TOKEN: "x"}),
    "set new tag": lambda store: set_tag(store, "model", 1, "new", "b"),
    "set tag": lambda store: set_tag(store, "model", 1, "note", "other"),
    "set same tag": lambda store: set_tag(store, "model", 1, "note", "a"),
    "set tag of a tokenised version": lambda store: set_tag(store, "model", 2, "note", "b"),
    "set model tag": lambda store: set_model_tag(store, "model", "note", "b"),
    "set alias": lambda store: store.set_registered_model_alias("model", "champion", "1"),
    "describe": lambda store: store.update_model_version("model", "1", "text"),
    "create model": lambda store: create_model(store, "other", {"a": "b"}),
    "get": lambda store: store.get_model_version("model", "2"),
    "search": lambda store: store.search_model_versions("name = 'model'"),
}


@pytest.mark.parametrize("write", UNRULED)
def test_what_the_rules_do_not_name_costs_nothing(store, stock_store, write):
    """An untokenised creation, or a tag that the rules do not name, costs what it costs MLflow."""
    create_model(stock_store, tags={"note": "a"})
    create_version(stock_store, tags={"note": "a"})
    create_version(store, tags=token_tags(note="a"))
    create_model(stock_store, BOUND, {TOKEN: "IMG-001", METRIC: "accuracy"})
    create_version(stock_store, BOUND, tags={})
    with_plugin = cost(store, UNRULED[write])
    _undo(stock_store, write)
    assert with_plugin == cost(stock_store, UNRULED[write])


def _undo(stock_store, write):
    """Bring back what the first of the two writes must find."""
    if write in ("set tag", "set new tag", "set same tag"):
        set_tag(stock_store, "model", 1, "note", "a")
        stock_store.delete_model_version_tag("model", "1", "new")
    elif write == "set tag of a tokenised version":
        set_tag(stock_store, "model", 2, "note", "a")
    elif write == "set model tag":
        set_model_tag(stock_store, "model", "note", "a")
    elif write == "set alias":
        stock_store.delete_registered_model_alias("model", "champion")
    elif write == "describe":
        stock_store.update_model_version("model", "1", "")
    elif write == "create model":
        stock_store.delete_registered_model("other")


LOCKED = {
    "delete tag": lambda store: store.delete_model_version_tag("model", "1", "note"),
    "delete model tag": lambda store: store.delete_registered_model_tag("model", "note"),
    "stage": lambda store: store.transition_model_version_stage("model", 1, "Staging", True),
}


@pytest.mark.parametrize("write", LOCKED)
def test_deletions_and_stages(store, stock_store, write):
    """Deleting a tag and changing a stage costs the lock that keeps races out, and no more."""
    costs = []
    for each in (store, stock_store):
        create_model(stock_store)
        set_model_tag(stock_store, "model", "note", "a")
        create_version(stock_store, tags={"note": "a"})
        costs.append(cost(each, LOCKED[write]))
        stock_store.delete_registered_model("model")
    with_plugin, without = costs
    assert without <= with_plugin <= without + LOCKED_WRITE


@pytest.mark.parametrize("model_tags", [{}, {TOKEN: "IMG-001"}], ids=["", "model token"])
@pytest.mark.parametrize("metric", ["accuracy", "of unknown direction"])
def test_tokenised_creation(store, stock_store, metric, model_tags):
    """A tokenised creation costs a small number more, whether its series is new or not."""
    create_model(store, tags=model_tags)
    extra = []
    for value in ("0.5", "0.501", "0.4"):
        tags = token_tags(**{METRIC: metric, VALUE: value})
        create = partial(create_version, tags=tags)
        extra.append(cost(store, create) - cost(stock_store, create))
    assert max(extra) <= TOKENISED_CREATE, extra
    decided = extra[-1]  # neither the first of its series nor a DeltaOne
    assert decided == (2 if store.engine.dialect.name == "postgresql" else 3), extra


def test_a_deltaone(store, stock_store):
    """A DeltaOne with its event: what is read and locked one by one, and what is written at once.

    Surroundings, heads everywhere, the swap, the ledger, the totals; on PostgreSQL one statement
    more, elsewhere one for each table.
    """
    create_model(store)
    extra = []
    for value in ("0.5", "0.6", "0.7", "0.8"):
        create = partial(create_version, tags=token_tags(**{VALUE: value}, contributor=ADDRESS))
        extra.append(cost(store, create) - cost(stock_store, create))
    assert extra[-1] == (6 if store.engine.dialect.name == "postgresql" else 11), extra


def test_creation_that_the_model_tokenises(database_uri, stock_store, tmp_path):
    """A version that its registered model tokenises costs one statement more than one that brings
    its tags and has a run: looking for the value to register, then for what backs it."""
    store = build_store(f"hokusai+{database_uri}", database_uri)
    tracking = MlflowClient(tracking_uri=database_uri)
    run_id = tracking.create_run(tracking.create_experiment("a", str(tmp_path))).info.run_id
    tracking.log_metric(run_id, "accuracy", 0.5)
    costs = []
    for model_tags, tags in (({}, token_tags()), ({TOKEN: "IMG-001", METRIC: "accuracy"}, {})):
        create_model(stock_store, tags=model_tags)
        costs.append(cost(store, partial(create_version, tags=tags, run_id=run_id)))
        stock_store.delete_registered_model("model")
    brought, bound = costs
    assert bound <= brought + 1


@pytest.mark.parametrize("max_results", [1, 10, 1000])
def test_list_by_token(store, max_results):
    """A page costs two statements, whichever page and however long."""
    seed_versions(store, 50, names=["a", "b", "c"])
    token = None
    for _ in range(3):
        with statements(store.engine) as sent:
            answer = store.ask(
                list_by_token,
                "IMG-001",
                max_results=max_results,
                page_token=token,
            )
        assert answer["model_versions"]
        assert len(sent) == LIST_BY_TOKEN
        token = answer.get("next_page_token")
        if token is None:
            break


@pytest.mark.parametrize("max_results", [1, 10, 1000])
def test_lineage(client, store, max_results):
    """A page costs three statements at most, whatever the parents are."""
    create_version(store, "origin")
    for number in range(1, 20):
        if number % 3:
            create_version(store, tags=token_tags(previous_version=str(number // 2)))
        else:
            client.copy_model_version("models:/origin/1", "model")
    token = None
    for _ in range(3):
        with statements(store.engine) as sent:
            answer = store.ask(get_lineage, "model", max_results=max_results, page_token=token)
        assert answer["lineage"]
        assert len(sent) <= LINEAGE
        token = answer.get("next_page_token")
        if token is None:
            break


def test_empty_answers(store):
    """Queries without an answer cost no more."""
    create_model(store)
    with statements(store.engine) as sent:
        store.ask(list_by_token, "IMG-001")
    assert len(sent) <= LIST_BY_TOKEN
    with statements(store.engine) as sent:
        store.ask(get_lineage, "model")
    assert len(sent) <= LINEAGE
