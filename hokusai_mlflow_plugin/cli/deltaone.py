"""``hokusai-mlflow deltaone``: why a version paid, or did not."""

from __future__ import annotations

import click

from hokusai_mlflow_plugin.cli.connections import open_registry, registry_option
from hokusai_mlflow_plugin.cli.output import (
    output_option,
    print_json,
    reporting_errors,
    time_text,
)
from hokusai_mlflow_plugin.domain.bindings import BOUND_TAG
from hokusai_mlflow_plugin.domain.explanations import MEANING, evidence_text


@click.group()
def deltaone() -> None:
    """Decisions on improvements."""


@deltaone.command()
@click.argument("name", metavar="MODEL")
@click.argument("version", required=False, type=click.IntRange(min=1))
@registry_option
@output_option
@reporting_errors
def explain(name: str, version: int | None, registry_uri: str | None, as_json: bool) -> None:
    """Say what a version was compared with, and why it paid or not.

    VERSION is by default the latest tokenised version of MODEL.

    \b
    Examples:
      hokusai-mlflow deltaone explain image-classifier
      hokusai-mlflow deltaone explain image-classifier 2 --registry-uri http://127.0.0.1:5000
    """
    parameters = {} if version is None else {"version": version}
    registry = open_registry(registry_uri)
    found = registry.ask("deltaone/detect", name=name, **parameters)
    if as_json:
        print_json(found)
        return
    decision = found["decision"]
    if found["version"] is None:
        click.echo(f"{name} has no tokenised version.")
        return
    if decision is None:
        click.echo(f"{name} version {found['version']} is older than the plugin: undecided.")
        return
    click.echo(f"{name} version {found['version']}: {decision['outcome']}")
    click.echo(f"  {decision['reason']}")
    click.echo(f"  {MEANING[decision['outcome']]}")
    click.echo(f"  {evidence_text(decision)}")
    tags = registry.get_tokenized_model(name, found["version"]).tags
    if (logged_by := tags.get(BOUND_TAG)) is not None:
        click.echo(f"  Its registered model tokenised it, with what run {logged_by} logged.")
    by = "" if decision["actor"] is None else f" on a request of {decision['actor']}"
    click.echo(f"  Decided {time_text(decision['decided_timestamp'])}{by}.")
    for earlier in found["history"]:
        when = time_text(earlier["decided_timestamp"])
        click.echo(f"  Before that, {when}: {earlier['outcome']}. {earlier['reason']}")
    for warning in found["warnings"]:
        click.echo(f"  Warning: {warning['message']}")
    if "next_page_token" in found:
        click.echo("  It was decided on more often; 'deltaone/detect' has further pages.")
