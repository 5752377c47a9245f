"""``hokusai-mlflow server``: MLflow's server with the token rules enforced."""

from __future__ import annotations

import os
from typing import Any

import click

from hokusai_mlflow_plugin.cli.output import reporting_errors
from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.settings import read_settings

_DEFAULT_DATABASE = "sqlite:///hokusai.db"
_BACKEND, _REGISTRY = "--backend-store-uri", "--registry-store-uri"
_PREFIX = "hokusai+"
_REFUSED = {
    "--app-name": "it names the app itself; with --auth, MLflow's basic-auth is added",
    "--artifacts-only": "a server for artifacts alone has no registry",
    "--dev": "MLflow's development server takes no app",
}


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
@click.option("--auth", is_flag=True, help="Ask for users and permissions (MLflow's basic-auth).")
@click.option("-h", "--help", "wants_help", is_flag=True, help="Show this and MLflow's options.")
@click.argument("mlflow_options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
@reporting_errors
def server(
    context: click.Context, auth: bool, wants_help: bool, mlflow_options: tuple[str, ...]
) -> None:
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
    # MLflow takes a second to import; the other commands' help does without.
    from mlflow.cli import server as mlflow_server  # noqa: PLC0415

    if wants_help:
        click.echo(context.get_help())
        click.echo("\nOptions of 'mlflow server':\n")
        with mlflow_server.make_context("mlflow server", []) as mlflow_context:
            click.echo(mlflow_context.get_help())
        return
    read_settings()
    options = list(mlflow_options)
    _refuse_what_would_not_enforce(options)
    backend = _take(options, _BACKEND) or os.environ.get("MLFLOW_BACKEND_STORE_URI")
    backend = (backend or _DEFAULT_DATABASE).removeprefix(_PREFIX)
    registry = _take(options, _REGISTRY) or os.environ.get("MLFLOW_REGISTRY_STORE_URI") or backend
    options += [_BACKEND, backend, _REGISTRY, _token_aware(registry)]
    options += ["--app-name", "hokusai-basic-auth" if auth else "hokusai"]
    if auth:
        _prepare_auth()
    _run(mlflow_server, options)


def _prepare_auth() -> None:
    from hokusai_mlflow_plugin.basic_auth import prepare_server  # noqa: PLC0415

    prepare_server()


def _run(mlflow_server: Any, options: list[str]) -> None:
    """MLflow's own command; an unknown option is its usage error."""
    mlflow_server.main(args=options, prog_name="hokusai-mlflow server", standalone_mode=True)


def _token_aware(uri: str) -> str:
    """The registry URI under which MLflow opens the plugin's store.

    Raises:
        SettingsError: The registry is no SQL database.
    """
    from hokusai_mlflow_plugin.store.mlflow_compat import is_database_uri  # noqa: PLC0415

    database = uri.removeprefix(_PREFIX)
    if not is_database_uri(database):
        scheme = database.split(":", 1)[0] if ":" in database else "a path of files"
        raise SettingsError(
            f"The registry has to be a SQL database for the token rules to be enforced, not "
            f"{scheme!r}. Use e.g. --backend-store-uri sqlite:///hokusai.db."
        )
    return _PREFIX + database


def _refuse_what_would_not_enforce(options: list[str]) -> None:
    for option in options:
        name = option.split("=", 1)[0]
        if name in _REFUSED:
            raise click.UsageError(f"{name} cannot be used here: {_REFUSED[name]}.")


def _take(options: list[str], name: str) -> str | None:
    """Take an option's value out of a list; the last one counts, as with click."""
    value = None
    while True:
        for position, option in enumerate(options):
            if option == name and position + 1 < len(options):
                value = options[position + 1]
                del options[position : position + 2]
                break
            if option.startswith(name + "="):
                value = option.split("=", 1)[1]
                del options[position]
                break
        else:
            return value
