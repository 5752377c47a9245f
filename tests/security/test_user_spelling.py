"""R20 where the users' database finds one user under several spellings."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from security.accounts import ADMIN, auth_environ, create_users
from security.servers import Auth, serve
from support.databases import AllDatabases
from support.registry import SOURCE, token_tags

ALICE: Auth = ("alice", "the-password-of-alice")
SHOUTED: Auth = ("ALICE", ALICE[1])


def test_a_user_has_the_stored_name(all_databases: AllDatabases, tmp_path: Path) -> None:
    """Who logs in under another spelling is on record as the user that the database found."""
    environ = auth_environ(tmp_path, "MANAGE")
    uri = all_databases.of("sqlite").create()
    with serve(tmp_path, uri, app="hokusai-basic-auth", environ=environ) as server:
        create_users(server, ALICE)
    _compare_names_without_case(tmp_path / "basic_auth.db")
    with serve(tmp_path, uri, app="hokusai-basic-auth", environ=environ) as server:
        created = server.post("mlflow/registered-models/create", {"name": "model"}, SHOUTED)
        assert created.status_code == 200, created.text
        tags = [{"key": key, "value": value} for key, value in token_tags().items()]
        body = {"name": "model", "source": SOURCE, "tags": tags}
        created = server.post("mlflow/model-versions/create", body, SHOUTED)
        assert created.status_code == 200, created.text
        decided = server.ask("deltaone/detect", ADMIN, name="model").json()
    assert decided["decision"]["actor"] == ALICE[0]


def _compare_names_without_case(database: Path) -> None:
    """As MySQL does by default; MariaDB refuses the tables of users (MLflow 3.17.2)."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'username VARCHAR(255)', "
            "'username VARCHAR(255) COLLATE NOCASE') WHERE name = 'users'"
        )
        connection.commit()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("REINDEX")
        found = connection.execute("SELECT username FROM users WHERE username = 'ALICE'").fetchall()
    assert found == [(ALICE[0],)]
