"""What identifies a model and a version, in Python and in a query."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table


@dataclass(frozen=True, order=True)
class ModelId:
    """A registered model."""

    workspace: str
    name: str


@dataclass(frozen=True, order=True)
class VersionId:
    """A model version."""

    workspace: str
    name: str
    version: int

    @property
    def model(self) -> ModelId:
        return ModelId(self.workspace, self.name)


@dataclass(frozen=True, order=True)
class SeriesId:
    """The values that may be compared with each other."""

    workspace: str
    token_id: str
    benchmark_metric: str


def of_model(table: Table, model: ModelId | VersionId) -> tuple[ColumnElement[bool], ...]:
    """The rows of a model, in any table that is keyed by model or version."""
    return table.c.workspace == model.workspace, table.c.name == model.name


def of_version(table: Table, key: VersionId) -> tuple[ColumnElement[bool], ...]:
    """The row or rows of a version, in any table that is keyed by version."""
    return (*of_model(table, key), table.c.version == key.version)


def of_series(table: Table, key: SeriesId) -> tuple[ColumnElement[bool], ...]:
    """The rows of a series, in any table that has its columns."""
    return (
        table.c.workspace == key.workspace,
        table.c.token_id == key.token_id,
        table.c.benchmark_metric == key.benchmark_metric,
    )
