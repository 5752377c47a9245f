"""Accounts and permissions on a server under MLflow's basic-auth, old and new."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import requests
from security.servers import Auth, Server
from werkzeug.security import generate_password_hash

ADMIN: Auth = ("admin", "the-admins-password")
READER: Auth = ("reader", "the-readers-password")
STRANGER: Auth = ("stranger", "the-strangers-password")
_DATABASE = "basic_auth.db"


def auth_environ(folder: Path, default_permission: str = "NO_PERMISSIONS") -> dict[str, str]:
    """Environment of a server with an administrator and nobody else."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "basic_auth.ini"
    config.write_text(
        "[mlflow]\n"
        f"default_permission = {default_permission}\n"
        f"database_uri = sqlite:///{folder / _DATABASE}\n"
        f"admin_username = {ADMIN[0]}\n"
        f"admin_password = {ADMIN[1]}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return {"MLFLOW_AUTH_CONFIG_PATH": str(config), "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests"}


def create_users(server: Server, *users: Auth) -> None:
    """Users without any permission, on a server in the folder of its ``auth_environ``."""
    for username, password in users:
        body = {"username": username, "password": password}
        answer = server.post("mlflow/users/create", body, ADMIN)
        assert answer.status_code == 200, answer.text
    _hash_quickly(server.log.parent / _DATABASE, ADMIN, *users)


def _hash_quickly(database: Path, *users: Auth) -> None:
    """Have passwords compared in no time: MLflow's way takes 76 ms of processor time a request."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for username, password in users:
            quick = generate_password_hash(password, method="pbkdf2:sha256:1")
            changed = connection.execute(
                "UPDATE users SET password_hash = ? WHERE username = ?", (quick, username)
            )
            assert changed.rowcount == 1


def grant_read(
    server: Server, user: Auth, model: str, headers: Mapping[str, str] | None = None
) -> None:
    """READ on one registered model."""
    grants = f"{server.url}/api/3.0/mlflow/users/permissions/grant"
    body = {
        "username": user[0],
        "resource_type": "registered_model",
        "resource_id": model,
        "permission": "READ",
    }
    answer = requests.post(grants, json=body, auth=ADMIN, headers=headers, timeout=60)
    if answer.status_code == 404:  # before MLflow 3.13
        body = {"name": model, "username": user[0], "permission": "READ"}
        answer = requests.post(
            f"{server.url}/api/2.0/mlflow/registered-models/permissions/create",
            json=body,
            auth=ADMIN,
            headers=headers,
            timeout=60,
        )
    assert answer.status_code == 200, answer.text
