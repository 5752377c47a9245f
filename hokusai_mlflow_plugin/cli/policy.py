"""``hokusai-mlflow policy``: what the audit policy let pass."""

from __future__ import annotations

import click

from hokusai_mlflow_plugin.cli.connections import (
    database_argument,
    open_registry,
    registry_option,
)
from hokusai_mlflow_plugin.cli.output import (
    output_option,
    print_json,
    print_table,
    reporting_errors,
    time_text,
)


@click.group()
def policy() -> None:
    """What would have been refused (HOKUSAI_POLICY=audit)."""


@policy.command("list")
@database_argument
@registry_option
@output_option
@reporting_errors
def list_findings(database_uri: str | None, registry_uri: str | None, as_json: bool) -> None:
    """List writes that would have been refused and do not conform yet.

    Asks a database, as the commands of 'index' do, or a server.

    \b
    Examples:
      hokusai-mlflow policy list sqlite:///hokusai.db
      hokusai-mlflow policy list --registry-uri http://127.0.0.1:5000
    """
    if database_uri and registry_uri:
        raise click.UsageError("Give either DATABASE_URI or --registry-uri.")
    found = list(open_registry(database_uri or registry_uri).every("policy/list", "findings"))
    if as_json:
        print_json({"findings": found})
        return
    print_table(
        ("model", "version", "found", "message"),
        (
            [each["name"], each["version"], time_text(each["found_timestamp"]), each["message"]]
            for each in found
        ),
    )
