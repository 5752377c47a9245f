"""``hokusai-mlflow server``: MLflow's server with the token rules enforced."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

import click
from sqlalchemy.exc import OperationalError

from hokusai_mlflow_plugin.cli.connections import PREFIX, holds_registry, new_engine
from hokusai_mlflow_plugin.cli.output import masked, reporting_errors
from hokusai_mlflow_plugin.cli.reports import with_progress
from hokusai_mlflow_plugin.db.index import registry_scan
from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.services.index import backfill
from hokusai_mlflow_plugin.settings import Settings, read_settings

_NAME = "hokusai-mlflow server"
_DEFAULT_DATABASE = "sqlite:///hokusai.db"
_REFUSED = {
    "app_name": "the command names the app itself; with --auth, MLflow's basic-auth is added",
    "artifacts_only": "a server for artifacts alone has no registry",
    "dev": "MLflow's development server takes no app",
}


def _mlflow_server() -> click.Command:
    # MLflow takes a second to import; the other commands' help does without.
    from mlflow.cli import server as found  # noqa: PLC0415

    return found  # type: ignore[no-any-return]  # a click command


class _ServerCommand(click.Command):
    """Leaves to MLflow's command what is not its own, and shows that in its help."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(context, formatter)
        others = _mlflow_server().params
        found = (option.get_help_record(context) for option in others if option.name != "app_name")
        with formatter.section("Options of 'mlflow server'"):
            formatter.write_dl([record for record in found if record is not None])


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
    --backend-store-uri, by default SQLite in the working folder. It does not start where the
    token rules would not be enforced.

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
    backend = (given["backend_store_uri"] or _DEFAULT_DATABASE).removeprefix(PREFIX)
    registry = _database_uri(given["registry_store_uri"] or backend)
    _take_over(registry, settings)
    if auth:
        _prepare_auth()
    click.echo(f"The registry is token-aware, in {masked(registry)}", err=True)
    # Of an option that is given twice, the last one counts.
    options = ["--backend-store-uri", backend, "--registry-store-uri", PREFIX + registry]
    options += ["--app-name", "hokusai-basic-auth" if auth else "hokusai"]
    mlflow_server.main(args=[*mlflow_options, *options], prog_name=_NAME)


def _require_enforcement(given: Mapping[str, Any]) -> None:
    """Refuse the options, or their variables, with which MLflow would not serve our app."""
    for name, reason in _REFUSED.items():
        if given[name]:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{option} cannot be used here: {reason}.")


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
    }
    if kind not in supported:
        raise SettingsError(
            f"The registry has to be a SQL database for the token rules to be enforced, "
            f"{', '.join(sorted(supported))}, not {masked(database)!r}. "
            "Use e.g. --backend-store-uri sqlite:///hokusai.db."
        )
    return database


def _take_over(uri: str, settings: Settings) -> None:
    """Migrate a registry that is there already, and index what is older than the plugin.

    The server would do it too, but without a progress bar, and a refusal would be a traceback of
    MLflow's.

    Raises:
        SchemaMismatch: The tables are not those of this release, and may not be migrated.
    """
    try:
        engine = new_engine(uri)
        if not holds_registry(engine):
            return
    except (FileNotFoundError, OperationalError):  # MLflow makes it, or waits for it
        return
    migrations.open_schema(engine, auto_migrate=settings.auto_migrate)
    if settings.auto_migrate and backfill.is_pending(engine):
        with engine.connect() as connection:
            total = registry_scan.count_versions(connection)
        for _report in with_progress(backfill.run(engine, settings.catalogue), total, "Indexing"):
            pass
    backfill.open_registry(engine, settings)
    engine.dispose()


def _prepare_auth() -> None:
    from hokusai_mlflow_plugin.basic_auth import prepare_server  # noqa: PLC0415

    prepare_server()
