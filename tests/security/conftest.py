"""Live servers, each started once: on every database, and under basic-auth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from security.accounts import ADMIN, READER, STRANGER, auth_environ, create_users, grant_read
from security.seeds import SECOND, seed
from security.servers import GUNICORN, Server, serve
from support.databases import AllDatabases

DIALECTS = ("sqlite", "postgresql", "mysql")


@pytest.fixture(scope="session", params=DIALECTS)
def live(
    request: pytest.FixtureRequest,
    all_databases: AllDatabases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server without accounts, on each database, with the versions of ``seeds``."""
    uri = all_databases.of(request.param).create()
    with serve(tmp_path_factory.mktemp(f"live-{request.param}"), uri) as server:
        seed(server)
        yield server


@pytest.fixture(scope="session")
def sqlite_server(
    all_databases: AllDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server without accounts on SQLite, for what does not depend on the database."""
    uri = all_databases.of("sqlite").create()
    with serve(tmp_path_factory.mktemp("sqlite"), uri) as server:
        seed(server)
        yield server


def _start_with_accounts(folder: Path, uri: str, *options: str) -> Iterator[Server]:
    """A server under basic-auth: an administrator, a reader of one model, and a stranger."""
    options = ("--workers", "2", *options)
    environ = auth_environ(folder)
    with serve(folder, uri, *options, app="hokusai-basic-auth", environ=environ) as server:
        seed(server, ADMIN)
        create_users(server, READER, STRANGER)
        grant_read(server, READER, SECOND)
        yield server


@pytest.fixture(scope="session", params=[(), GUNICORN], ids=["uvicorn", "gunicorn"])
def guarded(
    request: pytest.FixtureRequest,
    all_databases: AllDatabases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server under basic-auth with two workers, under each web server."""
    uri = all_databases.of("sqlite").create()
    yield from _start_with_accounts(tmp_path_factory.mktemp("guarded"), uri, *request.param)
