"""What a refused write looks like, and that it leaves nothing behind (R6)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import Engine, inspect, text

REGISTRY_TABLES = ("registered_model", "model_version", "hokusai_")


@contextmanager
def refused(store: Any, *texts: str) -> Iterator[None]:
    """The block's write is refused as a wrong request, with these texts, and changes no row."""
    with unchanged(store), pytest.raises(MlflowException) as caught:
        yield
    error = caught.value
    assert error.error_code == "INVALID_PARAMETER_VALUE"
    assert error.get_http_status_code() == 400
    assert isinstance(error, ValueError)
    for each in texts:
        assert each in error.message


@contextmanager
def unchanged(store: Any) -> Iterator[None]:
    """The block changes no row of the registry, nor of the project's tables."""
    before = registry_rows(store.engine)
    yield
    assert registry_rows(store.engine) == before


def registry_rows(engine: Engine) -> dict[str, list[str]]:
    """Every row of the registry's tables and of the project's."""
    with engine.connect() as connection:
        tables = [
            name
            for name in inspect(connection).get_table_names()
            if name.startswith(REGISTRY_TABLES)
        ]
        return {
            table: sorted(str(row) for row in connection.execute(text(f"SELECT * FROM {table}")))
            for table in tables
        }
