"""``hokusai-mlflow policy``: what the audit policy let pass."""

from __future__ import annotations

import click

from hokusai_mlflow_plugin.cli.connections import open_registry, registry_option
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
@registry_option
@output_option
@reporting_errors
def list_findings(registry_uri: str | None, as_json: bool) -> None:
    """List writes that would have been refused and do not conform yet.

    \b
    Example:
      hokusai-mlflow policy list --registry-uri http://127.0.0.1:5000
    """
    found = list(open_registry(registry_uri).every("policy/list", "findings"))
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
