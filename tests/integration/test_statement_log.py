"""MySQL's and MariaDB's binary log by statements, at which InnoDB takes no write of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine
from support.database_base import MissingDatabase, create_schema
from support.databases import give_up
from support.engines import dispose_engines
from support.private_mariadb import private_mariadb
from support.registry import VALUE, create_version, set_tag
from support.rewards import outcomes

from hokusai_mlflow_plugin.cli import main
from hokusai_mlflow_plugin.db.schema.binary_log import StatementLog
from hokusai_mlflow_plugin.store.registry_store import build_store

SENTENCE = str(StatementLog())


@pytest.fixture(scope="module")
def statement_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a database with MLflow's tables, on a server that logs statements."""
    folder = tmp_path_factory.mktemp("maria")
    try:
        with private_mariadb(folder, "--log-bin", "--binlog-format=STATEMENT") as uri:
            create_schema(uri, "mlflow")
            yield uri
            dispose_engines()
    except MissingDatabase as error:
        give_up("MariaDB of its own", error)


def set_format(uri: str, name: str) -> None:
    """What an administrator does; connections that are open would keep what they had."""
    dispose_engines()
    engine = create_engine(uri)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET GLOBAL binlog_format = '{name}'")
    engine.dispose()


def test_a_server_does_not_start(statement_log: str) -> None:
    """Opened on such a server, the store says so in one sentence with the remedy, and no SQL."""
    set_format(statement_log, "STATEMENT")
    with pytest.raises(MlflowException) as caught:
        build_store(f"hokusai+{statement_log}")
    assert caught.value.message == SENTENCE
    assert "set binlog_format=ROW" in SENTENCE


def test_commands_that_write(statement_log: str) -> None:
    """So does each command that indexes, before it writes anything."""
    set_format(statement_log, "STATEMENT")
    create_version(SqlAlchemyStore(statement_log), "older")
    for command in (["db", "upgrade"], ["index", "rebuild"]):
        set_format(statement_log, "STATEMENT")
        result = CliRunner().invoke(main, [*command, statement_log])
        assert (result.exit_code, result.output.strip()) == (1, f"Error: {SENTENCE}")
        set_format(statement_log, "ROW")
        result = CliRunner().invoke(main, [*command, statement_log])
        assert result.exit_code == 0, result.output


WRITES = {
    "create": create_version,
    "ruled tag": lambda store, name: set_tag(store, name, 1, VALUE, "0.9"),
    "other tag": lambda store, name: set_tag(store, name, 1, "note", "text"),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_server_that_runs(statement_log: str, write: str) -> None:
    """A format that changes beneath a running server refuses each write with the sentence."""
    name = write.replace(" ", "-")
    set_format(statement_log, "ROW")
    store: Any = build_store(f"hokusai+{statement_log}")
    create_version(store, name)
    set_format(statement_log, "STATEMENT")
    store.engine.dispose()
    with pytest.raises(MlflowException) as caught:
        WRITES[write](store, name)
    assert caught.value.message == SENTENCE
    assert caught.value.error_code == "INVALID_STATE"
    assert store.get_model_version(name, "1").tags[VALUE] == "0.85"  # it can be read

    set_format(statement_log, "MIXED")
    store.engine.dispose()
    create_version(store, name)
    assert outcomes(store, name, 2)[1] == "below_threshold"
