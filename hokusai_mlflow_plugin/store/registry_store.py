"""The registry stores that MLflow loads for ``hokusai+…`` URIs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any, Concatenate, ParamSpec, TypeVar

from flask import has_request_context, request
from mlflow.exceptions import MlflowException
from sqlalchemy import Connection, make_url

from hokusai_mlflow_plugin.db.drivers import require_driver
from hokusai_mlflow_plugin.db.schema import binary_log, migrations
from hokusai_mlflow_plugin.domain.errors import HokusaiError, InvalidRequest
from hokusai_mlflow_plugin.domain.lineage import logged_model_of
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services import reward_commands
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.services.index import backfill, known_catalogue
from hokusai_mlflow_plugin.services.queries.by_route import LIKE_A_WRITE, QUERIES
from hokusai_mlflow_plugin.services.reward_commands import Command
from hokusai_mlflow_plugin.services.rewards import catching_up
from hokusai_mlflow_plugin.services.tokens import declaring
from hokusai_mlflow_plugin.settings import Settings, read_settings
from hokusai_mlflow_plugin.store import listener  # noqa: F401  # registers on the session class
from hokusai_mlflow_plugin.store.aliases import giving_alias
from hokusai_mlflow_plugin.store.binding import creating_version
from hokusai_mlflow_plugin.store.evidence import evidence_source
from hokusai_mlflow_plugin.store.mlflow_compat.authentication import authenticated_user
from hokusai_mlflow_plugin.store.mlflow_compat.database import (
    SqlAlchemyStore,
    WorkspaceAwareSqlAlchemyStore,
    create_mlflow_tables,
    engine_of,
    has_mlflow_tables,
    managed_session,
    managed_session_maker,
    read_replica_uri,
    server_tracking_uri,
    workspaces_enabled,
)
from hokusai_mlflow_plugin.store.mlflow_compat.errors import (
    of_another_server,
    translate,
    without_wrong_source,
    without_wrong_stage,
)
from hokusai_mlflow_plugin.store.retries import begin_again, retry_lost_races
from hokusai_mlflow_plugin.store.session import session_maker
from hokusai_mlflow_plugin.store.version_numbers import number_versions

COMMANDS = {**reward_commands.COMMANDS, **declaring.COMMANDS}
"""What changes something besides MLflow's own writes, by route."""

SCHEME_PREFIX = "hokusai+"

P = ParamSpec("P")
T = TypeVar("T")


class TokenAwareRegistry:
    """What both store classes add to MLflow's: sessions that are listened to, and token queries.

    A mix-in, to be named before an MLflow store class.
    """

    # MLflow's own 3 are not enough for a handful of writers who add versions to one model.
    CREATE_MODEL_VERSION_RETRIES = 10
    settings: Settings

    def _listen(self, tracking_uri: str | None) -> None:
        """Migrate, then replace MLflow's session factory by one of listened-to sessions."""
        store: Any = self
        self.settings = read_settings()
        with store.engine.connect() as connection:
            binary_log.require_row_log(connection)
        migrations.open_schema(store.engine, auto_migrate=self.settings.auto_migrate)
        backfill.open_registry(store.engine, self.settings)
        catching_up.catch_up(store.engine)
        known_catalogue.put_on_record(
            store.engine, self.settings.catalogue, is_server=server_tracking_uri() is not None
        )
        judge = Judge(
            self.settings,
            evidence_source(store.engine, tracking_uri),
            claims_tokens=workspaces_enabled(),
        )
        # The store of MLflow 3.10 knows no read replica.
        read_engine = getattr(store, "read_engine", None)
        store.ManagedSessionMaker = managed_session_maker(
            session_maker(store.engine, judge),
            None if read_engine is None else session_maker(read_engine, judge),
            store.db_type,
        )

    def create_model_version(self, *args: Any, **kwargs: Any) -> Any:
        """As MLflow does it; but a source that names no model is a wrong request.

        The store of MLflow 3.17.2 raises an internal error then. Its server finds most of them
        before it asks the store; elsewhere clients would get a 500, and ask again for minutes.
        """
        store: Any = super()
        try:
            with creating_version():
                return store.create_model_version(*args, **kwargs)
        except MlflowException as error:
            told = without_wrong_source(error)
            call = signature(store.create_model_version).bind(*args, **kwargs).arguments
            model_id = logged_model_of(call.get("source")) or call.get("model_id")
            if model_id and has_request_context():
                told = of_another_server(told, model_id, request.host_url.rstrip("/"))
            # With its cause, by which retries tell a lost race.
            raise told from error.__cause__

    def transition_model_version_stage(
        self, name: str, version: Any, stage: str, archive_existing_versions: bool
    ) -> Any:
        """As MLflow does it; but to archive others for a stage that none is in is a wrong request.

        MLflow 3.17 answers 500 then, as to a wrong source.
        """
        store: Any = super()
        try:
            return store.transition_model_version_stage(
                name, version, stage, archive_existing_versions
            )
        except MlflowException as error:
            raise without_wrong_stage(error) from error.__cause__

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        """As MLflow does it; the listener hears whether the version is tokenised."""
        store: Any = super()
        with giving_alias():
            store.set_registered_model_alias(name, alias, version)

    def ask(
        self,
        query: Callable[Concatenate[Connection, str, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Answer a query of ``services.queries.by_route`` inside the request's workspace.

        Reads go to the read replica where the server has one, except where a write is foretold.

        Raises:
            MlflowException: The query cannot be answered, with MLflow's error code.
        """
        store: Any = self
        workspace = store._get_active_workspace()
        known: dict[str, Callable[[], Any]] = {
            "metrics": lambda: self.settings.catalogue,
            "settings": lambda: self.settings,
            "user": authenticated_user,
            "claims_tokens": workspaces_enabled,
        }
        for name in _parameters(query) & known.keys():
            kwargs.setdefault(name, known[name]())

        with managed_session(store, read_only=query not in LIKE_A_WRITE) as session:
            try:
                return query(session.connection(), workspace, *args, **kwargs)
            except HokusaiError as error:
                raise translate(error) from error

    def change(self, command: Command, **parameters: Any) -> dict[str, Any]:
        """Run a command that a route makes inside the request's workspace.

        In a transaction of its own, begun again after a lost race.

        Raises:
            MlflowException: The change is refused, with MLflow's error code.
        """
        store: Any = self
        workspace = store._get_active_workspace()

        def once() -> dict[str, Any]:
            with managed_session(store, read_only=False) as session:
                try:
                    return command(
                        session.connection(),
                        workspace,
                        self.settings,
                        authenticated_user(),
                        **parameters,
                    )
                except HokusaiError as error:
                    raise translate(error) from error

        return begin_again(once)

    def answer(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Answer as the REST route of this path does; for clients that open the store themselves.

        Raises:
            MlflowException: The query cannot be answered, with MLflow's error code.
        """
        if (command := COMMANDS.get(path)) is not None:
            return self.change(command, **parameters)
        if (query := QUERIES.get(path)) is None:
            raise translate(InvalidRequest(f"No query has the path {shown(path)}."))
        return self.ask(query, **parameters)


@cache
def _parameters(query: Callable[..., Any]) -> frozenset[str]:
    return frozenset(signature(query).parameters)


# Retries outermost: what is begun again is all of the write, from its own arguments.
@retry_lost_races
@number_versions
class HokusaiStore(TokenAwareRegistry, SqlAlchemyStore):
    """MLflow's SQL registry store with the token rules enforced (single tenant)."""

    def __init__(self, db_uri: str, tracking_uri: str | None = None, **kwargs: Any) -> None:
        _create_mlflow_tables(db_uri)
        super().__init__(db_uri, **kwargs)
        self._listen(tracking_uri)


@retry_lost_races
@number_versions
class WorkspaceAwareHokusaiStore(TokenAwareRegistry, WorkspaceAwareSqlAlchemyStore):
    """The same, inside the workspace of the request."""

    def __init__(self, db_uri: str, tracking_uri: str | None = None, **kwargs: Any) -> None:
        _create_mlflow_tables(db_uri)
        super().__init__(db_uri, **kwargs)
        self._listen(tracking_uri)


def _create_mlflow_tables(db_uri: str) -> None:
    """Have MLflow's tables made in a database that has none, by one process at a time.

    MLflow's own store makes them without a lock (``SqlAlchemyStore.__init__``, MLflow 3.17): of
    several that open an empty database at once only one would succeed.
    """
    engine = engine_of(db_uri)
    # Looked for without the lock: nearly always they are there, and no start waits for another.
    if not has_mlflow_tables(engine):
        with migrations.exclusively(engine):
            create_mlflow_tables(engine)


def database_uri(uri: str) -> str:
    """The database URI inside a ``hokusai+`` URI; any other URI as it is."""
    return uri.removeprefix(SCHEME_PREFIX)


def build_store(store_uri: str, tracking_uri: str | None = None) -> TokenAwareRegistry:
    """Build the store for a ``hokusai+…`` URI of a database.

    MLflow chooses the workspace-aware class and the read replica for its own stores only
    (``ModelRegistryStoreRegistryWrapper``, MLflow 3.17), so it is done here as it does there.

    Raises:
        MlflowException: A setting or the database's schema cannot be used.
    """
    uri = database_uri(store_uri)
    replica = read_replica_uri()
    arguments = {"read_db_uri": replica} if replica else {}
    store_class = WorkspaceAwareHokusaiStore if workspaces_enabled() else HokusaiStore
    try:
        require_driver(make_url(uri))
        return store_class(uri, tracking_uri, **arguments)
    except HokusaiError as error:
        raise translate(error) from error
