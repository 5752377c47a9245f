"""Databases that take no writes, or miss a table: one sentence, and never a wrong request."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import event, text
from support.registry import create_version, set_tag
from support.rewards import events

READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET default_transaction_read_only = on",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}
WRITES = {
    "create": create_version,
    "ruled tag": lambda store: set_tag(store, "model", 1, "benchmark_value", "0.9"),
    "other tag": lambda store: set_tag(store, "model", 1, "note", "text"),
    "create untokenised": lambda store: create_version(store, tags={}),
}


@pytest.fixture
def read_only(store):
    """A store with a version, whose database then became read-only."""
    create_version(store)

    def set_read_only(connection, _record):
        cursor = connection.cursor()
        cursor.execute(READ_ONLY[store.engine.dialect.name])
        cursor.close()
        connection.commit()

    event.listen(store.engine, "connect", set_read_only)
    store.engine.dispose()
    yield store
    event.remove(store.engine, "connect", set_read_only)  # the engine outlives this test


@pytest.mark.parametrize("write", WRITES)
def test_a_read_only_database(read_only, write):
    """A refused write answers one sentence that says so, without SQL."""
    with pytest.raises(MlflowException) as caught:
        WRITES[write](read_only)
    assert caught.value.message == "The registry's database is read-only: nothing was written."
    assert caught.value.get_http_status_code() == 503
    assert read_only.get_model_version("model", "1").tags["benchmark_value"] == "0.85"


def test_a_missing_table_is_no_wrong_request(store):
    """What is wrong with the database is a 503 without SQL, also where MLflow would say 400."""
    create_version(store)
    with store.engine.begin() as connection:
        connection.execute(text("DROP TABLE hokusai_reward_events"))
    with pytest.raises(MlflowException) as caught:
        events(store)
    assert caught.value.get_http_status_code() == 503
    assert "SELECT" not in caught.value.message or store.engine.dialect.name == "sqlite"
