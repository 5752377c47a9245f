"""What the tracking server knows of a run's metric, as far as the sender may read that run.

Source: R14. Read straight from the tracking database: at most two statements, on the write's own
connection where tracking and registry share a database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import has_request_context
from sqlalchemy import Connection, Engine

from hokusai_mlflow_plugin.db.deltaone.evidence import Logged, Sought, logged_values
from hokusai_mlflow_plugin.services.deltaone.judge import LoggedValues
from hokusai_mlflow_plugin.store.mlflow_compat.database import (
    engine_of,
    is_database_uri,
    server_tracking_uri,
)

MayReadExperiment = Callable[[int], bool]

_readers: list[MayReadExperiment] = []


def ask_before_use(may_read: MayReadExperiment) -> None:
    """Have a server's permissions asked whether a request's sender may read an experiment's runs.

    Without accounts, and in a process that is no server, everyone may read every run.
    """
    _readers[:] = [may_read]


def evidence_source(registry: Engine, tracking_uri: str | None) -> LoggedValues:
    """How to look up what was logged for a metric.

    Args:
        registry: The registry's engine.
        tracking_uri: The tracking store that MLflow told the registry store of. A server's own
            comes first. Where it is no database, nothing is known and values stay claims: asking
            a remote server inside a database transaction could hold its locks for minutes.
    """
    uri = server_tracking_uri() or tracking_uri
    if uri is None or not is_database_uri(uri):
        return _nothing
    tracking = engine_of(uri)
    is_same = tracking.url == registry.url

    def ask(connection: Connection, sought: Sought) -> Sequence[Logged]:
        if is_same:
            return _readable(logged_values(connection, sought))
        with tracking.connect() as elsewhere:
            found = logged_values(elsewhere, sought)
        return _readable(found)

    return ask


def _readable(found: Sequence[Logged]) -> Sequence[Logged]:
    if not _readers or not has_request_context():
        return found
    may_read = {each: _readers[0](each) for each in {logged.experiment_id for logged in found}}
    return [logged for logged in found if may_read[logged.experiment_id]]


def _nothing(_connection: Connection, _sought: Sought) -> Sequence[Logged]:
    return ()
