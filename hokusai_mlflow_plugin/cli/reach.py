"""``hokusai-mlflow registry``: what registrations from elsewhere left behind."""

from __future__ import annotations

import time

import click

from hokusai_mlflow_plugin.cli.connections import open_registry, registry_option
from hokusai_mlflow_plugin.cli.output import (
    counted,
    output_option,
    print_json,
    print_table,
    reporting_errors,
    time_text,
)

_HOUR_MS = 3_600_000


@click.group("registry")
def upkeep() -> None:
    """The registry's own upkeep."""


@upkeep.command()
@click.option("--apply", "applied", is_flag=True, help="Remove them; without it they are listed.")
@click.option(
    "--older-than",
    "hours",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="Only those begun so long ago: a younger one may still be at work.",
)
@registry_option
@output_option
@reporting_errors
def tidy(applied: bool, hours: float, registry_uri: str | None, as_json: bool) -> None:
    """Find copies of models that were not finished, and remove them.

    A registration that is killed leaves its copy behind: files, a logged model, a run, and the
    registered model that it created. Nothing that a version names is removed.

    \b
    Examples:
      hokusai-mlflow registry tidy --registry-uri http://127.0.0.1:5000
      hokusai-mlflow registry tidy --older-than 1 --apply
    """
    from hokusai.reach.addresses import is_server, server_address  # noqa: PLC0415  # as below
    from hokusai.reach.tidying import left_overs, remove  # noqa: PLC0415  # imports MLflow

    uri = server_address(open_registry(registry_uri).registry_uri)
    if not is_server(uri):
        raise click.UsageError("Only a server has copies: --registry-uri http://127.0.0.1:5000")
    found = left_overs(uri, int(time.time() * 1000 - hours * _HOUR_MS))
    if as_json:
        print_json(
            {
                "left_overs": [
                    {
                        "begun_timestamp": each.begun_ms,
                        "origin": each.origin,
                        "registered_model": each.empty_model,
                        "logged_models": [model.model_id for model in each.logged_models],
                        "runs": each.runs,
                        "named": each.is_named,
                    }
                    for each in found
                ]
            }
        )
    elif found:
        print_table(
            ("begun", "from", "logged models", "runs", "empty registered model", "action"),
            (
                [
                    time_text(each.begun_ms),
                    each.origin,
                    ", ".join(model.model_id for model in each.logged_models),
                    ", ".join(each.runs),
                    each.empty_model or "",
                    "mark as finished" if each.is_named else "remove",
                ]
                for each in found
            ),
        )
    if applied:
        for each in found:
            remove(uri, each)
    if not as_json:
        told = counted(len(found), "unfinished registration")
        click.echo(f"{told}: {'done' if applied else 'nothing was changed, --apply does it'}.")
