"""Every driver that stock MLflow takes for a supported database, not only those of the extras."""

from __future__ import annotations

import importlib
import threading

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from support.databases import give_up
from support.engines import dispose_engines
from support.registry import VALUE, create_model, create_version, token_tags

from hokusai_mlflow_plugin.db.transient_errors import is_deadlock
from hokusai_mlflow_plugin.store.registry_store import build_store

MODULES = {
    "postgresql+psycopg": "psycopg",
    "postgresql+psycopg2": "psycopg2",
    "postgresql+pg8000": "pg8000",
    "mysql+pymysql": "pymysql",
    "mysql+mysqlconnector": "mysql.connector",
}


@pytest.fixture(params=MODULES)
def driver_uri(request, all_databases):
    """A database with MLflow's schema, by a driver of its own."""
    databases = all_databases.of(request.param.partition("+")[0])
    try:
        importlib.import_module(MODULES[request.param])
    except ImportError as error:
        give_up(request.param, error)
    uri = databases.create("mlflow")
    yield _by(make_url(uri).set(drivername=request.param))
    dispose_engines()
    databases.drop(uri)


def _by(url):
    socket_folder = url.query.get("host")
    if socket_folder and url.get_driver_name() == "pg8000":  # it spells a socket in its own way
        url = url.set(query={"unix_sock": f"{socket_folder}/.s.PGSQL.{url.port or 5432}"})
    return url.render_as_string(hide_password=False)


def test_rules_hold(driver_uri):
    """Refused, indexed, decided and found by token, as by any other driver."""
    store = build_store(f"hokusai+{driver_uri}")
    create_model(store, "model")
    with pytest.raises(MlflowException, match="must be numeric"):
        create_version(store, "model", token_tags(**{VALUE: "nan"}))
    for value in ("0.85", "0.87"):
        create_version(store, "model", token_tags(**{VALUE: value}))
    found = store.answer("model-versions/list-by-token", token_id="IMG-001")["model_versions"]
    assert [version["version"] for version in found] == ["2", "1"]
    assert store.answer("deltaone/detect", name="model")["achieved"] is True
    events = store.answer("reward-events/list", after=0)["reward_events"]
    assert [event["data"]["improvement_pp"] for event in events] == ["2"]


def test_deadlock_is_known(driver_uri):
    """A transaction that the database ended for another's sake is one that may be begun again."""
    engine = create_engine(driver_uri)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE dead (id INT PRIMARY KEY, value INT)"))
        connection.execute(text("INSERT INTO dead VALUES (1, 0), (2, 0)"))
    both = threading.Barrier(2)
    errors = []

    def lock(first, second):
        try:
            with engine.begin() as connection:
                update = text("UPDATE dead SET value = value + 1 WHERE id = :id")
                connection.execute(update, {"id": first})
                both.wait(30)
                connection.execute(update, {"id": second})
        except DBAPIError as error:
            errors.append(error)

    threads = [threading.Thread(target=lock, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    engine.dispose()
    assert [is_deadlock(error) for error in errors] == [True]


@pytest.mark.parametrize("database_uri", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("query", "prepares"), [({}, True), ({"plugin": "pgbouncer"}, False)])
def test_nothing_is_prepared_for_a_pooler(database_uri, query, prepares):
    """psycopg 3 leaves no statement behind on a connection that may be another client's next."""
    url = make_url(database_uri).set(drivername="postgresql+psycopg").update_query_dict(query)
    engine = create_engine(url)
    with engine.connect() as connection:
        for number in range(20):
            connection.execute(text("SELECT :number + 1"), {"number": number})
        left = connection.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
    engine.dispose()
    assert bool(left) == prepares
