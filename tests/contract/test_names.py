"""The names of MLflow's that are not public have the shape that the plugin relies on.

On each supported MLflow. A failure here says which name changed; what relies on it is in
``store/mlflow_compat``. The client's names are in ``test_client_names.py``.
"""

from __future__ import annotations

import inspect
import os

import mlflow.cli
import mlflow.server
import pytest
from flask import Flask
from mlflow.server import constants, handlers
from mlflow.store.db import utils as db_utils
from mlflow.store.model_registry import sqlalchemy_store
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.store.model_registry.dbmodels import models
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils import validation
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from support import prepared

from hokusai_mlflow_plugin.db.schema import mlflow_tables
from hokusai_mlflow_plugin.store.mlflow_compat import database, server
from hokusai_mlflow_plugin.store.retries import WRITES
from hokusai_mlflow_plugin.store.version_numbers import BY_VERSION

READS = {
    "copy_model_version",  # calls create_model_version
    "get_latest_versions",
    "get_model_version",
    "get_model_version_by_alias",
    "get_model_version_download_uri",
    "get_registered_model",
    "search_model_versions",
    "search_registered_models",
}
OF_PROMPTS_AND_WEBHOOKS = ("prompt", "webhook", "trace")


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_every_write_is_known():
    """A method that MLflow adds to its registry store is looked at before it is supported.

    If it writes versions, models or their tags, the session listener hears it; add it to
    ``store.retries.WRITES`` and test its refusals. If it reads, add it to ``READS`` here.
    """
    public = {name for name in vars(AbstractStore) if not name.startswith("_")}
    public -= {"supports_workspaces"}
    unknown = {
        name
        for name in public - set(WRITES) - READS
        if not any(word in name for word in OF_PROMPTS_AND_WEBHOOKS)
    }
    assert unknown == set()
    assert set(WRITES) <= public


def test_no_write_by_bulk_statements():
    """MLflow's store writes objects, which the session hears of, and no bulk statements."""
    source = inspect.getsource(sqlalchemy_store)
    for statement in (".update({", ".delete(synchronize", "bulk_save", "bulk_insert", "sa.update"):
        assert statement not in source


def test_methods_that_take_a_version():
    """Version numbers are passed on as numbers in every method that takes one."""
    taking = {
        name
        for name, method in vars(AbstractStore).items()
        if inspect.isfunction(method) and "version" in parameters(method) and name[0] != "_"
    }
    of_others = {name for name in taking if any(word in name for word in OF_PROMPTS_AND_WEBHOOKS)}
    assert taking - of_others - {"delete_registered_model_alias"} == set(BY_VERSION)


def test_store_attributes():
    """The store's own session factory is an attribute that can be replaced."""
    assert "ManagedSessionMaker" in inspect.getsource(SqlAlchemyStore.__init__)
    assert parameters(SqlAlchemyStore.__init__)[:2] == ["self", "db_uri"]
    assert isinstance(SqlAlchemyStore.CREATE_MODEL_VERSION_RETRIES, int)
    assert parameters(SqlAlchemyStore._get_active_workspace) == ["self"]
    assert parameters(SqlAlchemyStore._get_or_create_engine) == ["db_uri"]


def test_session_makers():
    """MLflow's session factory takes a session maker and the kind of database."""
    assert parameters(db_utils._get_managed_session_maker) == ["SessionMaker", "db_type"]
    routing = getattr(db_utils, "_get_routing_session_maker", None)
    if routing is not None:
        assert parameters(routing) == ["write_session_maker", "read_session_maker", "db_type"]
    assert parameters(db_utils.create_sqlalchemy_engine) == ["db_uri"]


def test_models():
    """The mapped classes have the attributes that the listener reads."""
    for name, attributes in {
        "SqlModelVersion": "workspace name version creation_time source run_id current_stage "
        "model_version_tags",
        "SqlModelVersionTag": "workspace name version key value",
        "SqlRegisteredModel": "workspace name",
        "SqlRegisteredModelTag": "workspace name key value",
        "SqlRegisteredModelAlias": "workspace name",
    }.items():
        for attribute in attributes.split():
            assert hasattr(getattr(models, name), attribute), f"{name}.{attribute}"
    assert DEFAULT_WORKSPACE_NAME == database.DEFAULT_WORKSPACE == "default"


def test_deleted_stage():
    """Deleting a version gives it the stage that our queries leave out."""
    from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL

    assert STAGE_DELETED_INTERNAL == mlflow_tables.DELETED_STAGE


def test_server_variables():
    """Workers get the server's stores in the variables that we read without MLflow's server."""
    assert constants.BACKEND_STORE_URI_ENV_VAR == "_MLFLOW_SERVER_FILE_STORE"
    replica = getattr(constants, "READ_REPLICA_BACKEND_STORE_URI_ENV_VAR", None)
    assert replica in (None, "_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE")


def test_server_names():
    """The server has one Flask app, one registry store, and two API prefixes."""
    assert isinstance(server.server_app(), Flask)
    assert "registry_store_uri" in parameters(handlers._get_model_registry_store)
    assert server.api_prefixes("/hokusai/") == (
        "/api/2.0/hokusai/",
        "/ajax-api/2.0/hokusai/",
    )


def test_validation_names():
    """Version numbers and webhook addresses are checked by MLflow's own functions."""
    assert parameters(validation._validate_model_version) == ["model_version"]
    assert parameters(validation._validate_webhook_url) == ["url"]


@pytest.mark.parametrize("sgi", ["uvicorn", "gunicorn", "waitress"])
def test_sgi_name(sgi):
    """MLflow tells its workers which web server runs them; only uvicorn gets an ASGI app."""
    code = (
        "from hokusai_mlflow_plugin.store.mlflow_compat import server; "
        "print(type(server.servable(server.server_app())).__name__)"
    )
    environ = {**os.environ, "_MLFLOW_SGI_NAME": sgi}
    done = prepared.run(["-c", code], env=environ, check=True)
    assert done.stdout.split()[-1] == ("FastAPI" if sgi == "uvicorn" else "Flask")


def test_start_of_the_server():
    """``hokusai-mlflow server`` watches how MLflow opens its stores and starts a web server."""
    source = inspect.getsource(mlflow.cli.server.callback)
    assert "from mlflow.server.handlers import initialize_backend_stores" in source
    assert "initialize_backend_stores(" in source
    assert "server_proc = _exec_cmd(" in inspect.getsource(mlflow.server._run_server)
    assert {"backend_store_uri", "workers", "host", "port"} <= {
        option.name for option in mlflow.cli.server.params
    }
