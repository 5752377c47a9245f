"""``hokusai-mlflow server``: MLflow's server with the token rules enforced."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any

import click
from sqlalchemy import Engine

from hokusai_mlflow_plugin.cli.addresses import require_free
from hokusai_mlflow_plugin.cli.connections import (
    DEFAULT_DATABASE,
    PREFIX,
    holds_registry,
    new_engine,
)
from hokusai_mlflow_plugin.cli.output import masked, reporting_errors
from hokusai_mlflow_plugin.cli.reports import with_progress
from hokusai_mlflow_plugin.db.index import registry_scan
from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.importing import nothing_collected
from hokusai_mlflow_plugin.services.index import backfill
from hokusai_mlflow_plugin.settings import Settings, read_settings

_NAME = "hokusai-mlflow server"
_REFUSED = {
    "app_name": "the command names the app itself; with --auth, MLflow's basic-auth is added",
    "artifacts_only": "a server for artifacts alone has no registry",
    "dev": "MLflow's development server takes no app",
}
_OWN_DEFAULTS = {
    "backend_store_uri": f"The database of tracking and registry (default: {DEFAULT_DATABASE}).",
    "workers": "Number of worker processes (default: 1 on SQLite, otherwise 4).",
}
"""Options of MLflow's whose help would tell another default than the one here."""
_CLIENTS = frozenset(("http", "https"))
"""What this package registers beside databases: the registry of a server, for clients."""
_JOB_EXECUTION = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"


def _mlflow_server() -> click.Command:
    # MLflow takes seconds to import; the other commands' help does without.
    with nothing_collected():
        from mlflow.cli import server as found  # noqa: PLC0415
    return found  # type: ignore[no-any-return]  # a click command


class _ServerCommand(click.Command):
    """Leaves to MLflow's command what is not its own, and shows that in its help."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(context, formatter)
        records = []
        for option in _mlflow_server().params:
            record = option.get_help_record(context)
            if record is not None and option.name != "app_name":
                records.append((record[0], _OWN_DEFAULTS.get(option.name or "", record[1])))
        with formatter.section("Options of 'mlflow server'"):
            formatter.write_dl(records)


@click.command(
    cls=_ServerCommand,
    # -h is MLflow's --host.
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.option("--auth", is_flag=True, help="Ask for users and permissions (MLflow's basic-auth).")
@click.argument("mlflow_options", nargs=-1, type=click.UNPROCESSED, metavar="[MLFLOW OPTIONS]...")
@reporting_errors
def server(auth: bool, mlflow_options: tuple[str, ...]) -> None:
    """Run the MLflow server with the token-aware registry.

    Takes every option of 'mlflow server'. Tracking and registry share one database,
    --backend-store-uri, by default SQLite in the working folder (sqlite:///hokusai.db). It does
    not start where the token rules would not be enforced.

    Its pages are at /hokusai/, beside MLflow's own: tokens, improvements, lineage and rewards.

    It starts lean: one worker on SQLite, which has one writer at a time, and without MLflow's job
    workers, which evaluate traces; MLFLOW_SERVER_ENABLE_JOB_EXECUTION=true starts those, too.

    \b
    Examples:
      hokusai-mlflow server
      hokusai-mlflow server --backend-store-uri postgresql://user@host/mlflow --workers 4
      hokusai-mlflow server --auth
    """
    settings = read_settings()
    mlflow_server = _mlflow_server()
    with mlflow_server.make_context(_NAME, list(mlflow_options)) as context:
        given = context.params
    _require_enforcement(given)
    backend = (given["backend_store_uri"] or DEFAULT_DATABASE).removeprefix(PREFIX)
    registry = _database_uri(given["registry_store_uri"] or backend)
    _require_free_address(given)
    if backend != registry:
        _require_answer(backend)
    engine = _take_over(registry, settings)
    if auth:
        _prepare_auth()
    click.echo(f"The registry is token-aware, in {masked(registry)}", err=True)
    click.echo(f"Tokens, improvements and rewards to look at: {_pages(given)}", err=True)
    # Of an option that is given twice, the last one counts.
    options = ["--backend-store-uri", backend, "--registry-store-uri", PREFIX + registry]
    options += ["--app-name", "hokusai-basic-auth" if auth else "hokusai"]
    options += _lean_options(given, backend, registry)
    _run(mlflow_server, [*mlflow_options, *options], engine)


def _pages(given: Mapping[str, Any]) -> str:
    """The address of the pages; a web server's own options may name another host or port."""
    host = f"[{given['host']}]" if ":" in given["host"] else given["host"]
    prefix = (given["static_prefix"] or "").rstrip("/")
    return f"http://{host}:{given['port']}{prefix}/hokusai/"


def _require_enforcement(given: Mapping[str, Any]) -> None:
    """Refuse the options, or their variables, with which MLflow would not serve our app."""
    for name, reason in _REFUSED.items():
        if given[name]:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{option} cannot be used here: {reason}.")


def _require_free_address(given: Mapping[str, Any]) -> None:
    """Say at once that the address is taken; a web server's own options may name another one."""
    if all(given[f"{kind}_opts"] is None for kind in ("uvicorn", "gunicorn", "waitress")):
        require_free(given["host"], given["port"])


def _lean_options(given: Mapping[str, Any], *database_uris: str) -> list[str]:
    """What is left out of a start unless it was asked for."""
    os.environ.setdefault(_JOB_EXECUTION, "false")
    on_sqlite = any(uri.partition(":")[0].partition("+")[0] == "sqlite" for uri in database_uris)
    return ["--workers", "1"] if on_sqlite and given["workers"] is None else []


def _database_uri(uri: str) -> str:
    """The database of a registry URI.

    Raises:
        SettingsError: MLflow would not open the token-aware store on it.
    """
    database = uri.removeprefix(PREFIX)
    kind = database.partition(":")[0]
    supported = {
        entry.name.removeprefix(PREFIX)
        for entry in entry_points(group="mlflow.model_registry_store")
        if entry.name.startswith(PREFIX)
    } - _CLIENTS
    if kind not in supported:
        raise SettingsError(
            f"The registry has to be a SQL database for the token rules to be enforced, "
            f"{', '.join(sorted(supported))}, not {masked(database)!r}. "
            f"Use e.g. --backend-store-uri {DEFAULT_DATABASE}."
        )
    return database


def _require_answer(uri: str) -> None:
    """Ask a tracking store's own database once; MLflow 3.17 would ask for minutes.

    Raises:
        SQLAlchemyError: It cannot be used.
    """
    from hokusai_mlflow_plugin.store.mlflow_compat import database  # noqa: PLC0415  # see above

    if not database.is_database_uri(uri):
        return
    with suppress(FileNotFoundError):  # MLflow makes it
        engine = new_engine(uri)
        with engine.connect():
            pass
        engine.dispose()


def _take_over(uri: str, settings: Settings) -> Engine | None:
    """Migrate a registry that is there already, and index what is older than the plugin.

    The server would do it too, but without a progress bar, and a refusal would be a traceback of
    MLflow's; a database that does not answer would be asked again for minutes.

    Returns:
        An engine on the database; None where it is a SQLite file that MLflow has yet to make.

    Raises:
        SchemaMismatch: The tables are not those of this release, and may not be migrated.
        SQLAlchemyError: The database cannot be used.
    """
    try:
        engine = new_engine(uri)
    except FileNotFoundError:
        return None
    if not holds_registry(engine):
        return engine
    migrations.open_schema(engine, auto_migrate=settings.auto_migrate)
    if settings.auto_migrate and backfill.is_pending(engine):
        with engine.connect() as connection:
            total = registry_scan.count_versions(connection)
        for _report in with_progress(backfill.run(engine, settings.catalogue), total, "Indexing"):
            pass
    backfill.open_registry(engine, settings)
    return engine


def _prepare_auth() -> None:
    from hokusai_mlflow_plugin.basic_auth import prepare_server  # noqa: PLC0415

    prepare_server()


def _run(mlflow_server: click.Command, arguments: list[str], engine: Engine | None) -> None:
    """Run MLflow's command, and end as the web server ended.

    MLflow's command ends with status 0 whatever became of its web server (``_run_server``, MLflow
    3.17), also where that never served.
    """
    from hokusai_mlflow_plugin.store.mlflow_compat import starting  # noqa: PLC0415  # see above

    with starting.stores_opened_alone(engine), starting.web_server() as ended:
        try:
            mlflow_server.main(args=arguments, prog_name=_NAME)
        except SystemExit as exit_:
            status = exit_.code
    sys.exit(status or ended())
