"""``hokusai-mlflow token`` and ``model``: asking a registry as any client does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from hokusai_mlflow_plugin.cli import history, token_owners
from hokusai_mlflow_plugin.cli.connections import open_registry, registry_option
from hokusai_mlflow_plugin.cli.output import (
    counted,
    output_option,
    pick,
    print_json,
    print_table,
    reporting_errors,
    time_text,
)
from hokusai_mlflow_plugin.domain.contributors import contributors_text

if TYPE_CHECKING:
    from hokusai.core import ModelRegistry


@click.group()
def token() -> None:
    """Tokens and the models that carry them."""


@token.command("list")
@click.option("--prefix", default="", help="Only tokens that begin so, e.g. IMG.")
@registry_option
@output_option
@reporting_errors
def list_tokens(prefix: str, registry_uri: str | None, as_json: bool) -> None:
    """List the tokens that have model versions.

    \b
    Examples:
      hokusai-mlflow token list --registry-uri http://127.0.0.1:5000
      hokusai-mlflow token list --prefix IMG --output json
    """
    found = list(open_registry(registry_uri).every("tokens/list", "tokens", prefix=prefix))
    if as_json:
        print_json({"tokens": found})
        return
    print_table(
        ("token", "models", "versions", "last registered"),
        (
            [
                *pick(each, ("token_id", "model_count", "version_count")),
                time_text(each["last_registered_timestamp"]),
            ]
            for each in found
        ),
    )


@token.command("show")
@click.argument("token_id")
@registry_option
@output_option
@reporting_errors
def show_token(token_id: str, registry_uri: str | None, as_json: bool) -> None:
    """Show a token: its series with the values to beat, its contributors, its versions.

    \b
    Example:
      hokusai-mlflow token show IMG-001 --registry-uri http://127.0.0.1:5000
    """
    registry = open_registry(registry_uri)
    found = _token(registry, token_id)
    if as_json:
        print_json(found)
        return
    last = time_text(found["last_registered_timestamp"])
    click.echo(
        f"{token_id}: {counted(found['version_count'], 'version')} of "
        f"{counted(found['model_count'], 'model')}{last and f', last registered {last}'}."
    )
    click.echo("\nSeries:")
    series = ("benchmark_metric", "direction", "baseline_value")
    print_table(
        ("metric", "direction", "baseline", "to beat", "set by"),
        (
            [*pick(each, series), each["head"]["value"], _version(each["head"])]
            for each in found["series"]
        ),
    )
    click.echo("\nContributors:")
    print_table(
        ("address", "versions", "DeltaOnes", "improvements"),
        (
            [
                each["contributor_address"],
                each["version_count"],
                sum(one["deltaone_count"] for one in each["improvements"]),
                ", ".join(
                    f"{one['improvement_pp']} pp {one['benchmark_metric']}"
                    for one in each["improvements"]
                ),
            ]
            for each in found["contributors"]
        ),
    )
    click.echo("\nVersions, newest first:")
    versions = registry.list_models_by_token(token_id)
    print_table(
        ("model", "version", "metric", "value", "contributor", "registered"),
        (
            [
                each.name,
                each.version,
                each.tags["benchmark_metric"],
                each.tags["benchmark_value"],
                contributors_text(each.tags),
                time_text(each.creation_timestamp),
            ]
            for each in versions
        ),
    )
    _print_page(registry, "token", token_id=token_id)


for command in (
    token_owners.declare,
    token_owners.grant,
    token_owners.revoke,
    token_owners.close,
    token_owners.publishers,
    token_owners.check,
    history.of_token,
):
    token.add_command(command)


@click.group()
def model() -> None:
    """Registered models and their improvement history."""


@model.command()
@click.argument("name")
@registry_option
@output_option
@reporting_errors
def lineage(name: str, registry_uri: str | None, as_json: bool) -> None:
    """Show every tokenised version of a model, oldest first.

    Points are measured against the best value that the token had before, of whichever model; the
    parent is the version of this model that came before, or that the tag previous_version names.

    \b
    Example:
      hokusai-mlflow model lineage image-classifier --registry-uri http://127.0.0.1:5000
    """
    registry = open_registry(registry_uri)
    items = list(registry.every("registered-models/lineage", "lineage", name=name))
    if as_json:
        print_json({"lineage": items})
        return
    rows = []
    for item in items:
        version, decision = item["model_version"], item["decision"] or {}
        rows.append(
            [
                version["version"],
                *pick(item, ("token_id", "benchmark_metric", "benchmark_value")),
                *pick(decision, ("outcome", "improvement_pp")),
                _version(decision.get("baseline")),
                _version(item["parent"]),
                contributors_text({tag["key"]: tag["value"] for tag in version["tags"]}),
                time_text(version["creation_timestamp"]),
            ]
        )
    columns = ("version", "token", "metric", "value", "outcome", "points", "measured against")
    print_table((*columns, "parent", "contributor", "registered"), rows)
    _print_page(registry, "model", name=name)


@model.command()
@click.argument("name")
@click.argument("token_id", metavar="TOKEN")
@click.argument("benchmark_metric", metavar="METRIC")
@registry_option
@reporting_errors
def bind(name: str, token_id: str, benchmark_metric: str, registry_uri: str | None) -> None:
    """Have a registered model tokenise its versions by itself.

    Each version of NAME that is registered without token tags, and whose run or logged model logged
    METRIC, then carries TOKEN and the value that was logged. The model is created if need be.

    \b
    Example:
      hokusai-mlflow model bind image-classifier IMG-001 accuracy
    """
    open_registry(registry_uri).bind_model(name, token_id, benchmark_metric)
    click.echo(f"Versions of {name} whose run logged {benchmark_metric} now carry {token_id}.")


model.add_command(history.of_model)


def _token(registry: ModelRegistry, token_id: str) -> Mapping[str, Any]:
    """A token's summary.

    Raises:
        MlflowException: No version carries it, or it is malformed.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # the help texts do without

    try:
        found: Mapping[str, Any] = registry.ask("tokens/get", token_id=token_id)["token"]
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise click.ClickException(
            f"No model version is registered under token {token_id}. "
            "'hokusai-mlflow token list' shows the tokens that are."
        ) from None
    return found


def _print_page(registry: ModelRegistry, path: str, **parameters: str) -> None:
    """Where to look at the same in a browser, if a server shows it."""
    from hokusai.pages import page_url  # noqa: PLC0415  # imports MLflow, as above

    if url := page_url(registry.registry_uri, path, **parameters):
        click.echo(f"\nIn the browser: {url}")


def _version(found: dict[str, str] | None) -> str:
    return "" if not found else f"{found['name']} v{found['version']}"
