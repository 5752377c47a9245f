"""Versions that no column can hold, and none at all: a wrong request on each database."""

from __future__ import annotations

import inspect

import pytest
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException
from support.registry import create_version

from hokusai_mlflow_plugin.services.queries import deltaone
from hokusai_mlflow_plugin.store.mlflow_compat.database import SqlAlchemyStore
from hokusai_mlflow_plugin.store.version_numbers import BY_VERSION

OTHERS = {
    "description": "text",
    "stage": "Staging",
    "archive_existing_versions": False,
    "tag": ModelVersionTag("a", "b"),
    "key": "a",
    "alias": "champion",
}
TOO_LARGE = [2**31, "2147483648", "99999999999999999999", 10**400]
NO_NUMBERS = [None, [], ["1"], {}, "one", "", float("inf"), float("nan"), object()]


def _call(store, method, version):
    wanted = inspect.signature(getattr(SqlAlchemyStore, method)).parameters
    others = {name: value for name, value in OTHERS.items() if name in wanted}
    return getattr(store, method)(name="model", version=version, **others)


@pytest.mark.parametrize("method", BY_VERSION)
def test_versions_that_no_column_holds(store, method):
    """Such a version is not found, as any other that is not there."""
    create_version(store)
    for version in TOO_LARGE:
        with pytest.raises(MlflowException, match="not found") as caught:
            _call(store, method, version)
        assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize("method", BY_VERSION)
def test_what_is_no_version(store, method):
    """MLflow's exception says that it is no integer, also in process, and no TypeError."""
    create_version(store)
    for version in NO_NUMBERS:
        with pytest.raises(MlflowException, match=r"(?i)version") as caught:
            _call(store, method, version)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE", version


def test_no_method_is_forgotten():
    """Every method of MLflow's store that takes a version is wrapped; those of prompts call it."""
    public = inspect.getmembers(SqlAlchemyStore, inspect.isfunction)
    taking = {
        name
        for name, method in public
        if not name.startswith("_")
        and "prompt" not in name
        and "version" in inspect.signature(method).parameters
    }
    assert taking - set(BY_VERSION) == set()


@pytest.mark.parametrize("version", ["99999999999999999999", "2147483648", "Production", "0", "7"])
def test_a_source_that_names_no_version(store, version):
    """A source that no version has is a wrong request: MLflow would answer 500."""
    create_version(store, "k")
    with pytest.raises(MlflowException) as caught:
        create_version(store, "model", tags={}, source=f"models:/k/{version}")
    assert 400 <= caught.value.get_http_status_code() < 500


@pytest.mark.parametrize("version", [2**31, 10**30, -1])
def test_detect_takes_no_such_version(store, version):
    """Nor does the plugin's own query, where a client asks it in process."""
    create_version(store)
    with pytest.raises(MlflowException, match="Parameter version"):
        store.ask(deltaone.detect, "model", version=version)


def test_archiving_others_for_a_stage_that_is_none(store):
    """A wrong request, too, where MLflow would answer 500: such versions archive no others."""
    create_version(store)
    for stage in ("Archived", "None"):
        with pytest.raises(MlflowException, match="cannot archive existing") as caught:
            store.transition_model_version_stage("model", "1", stage, True)
        assert caught.value.get_http_status_code() == 400
