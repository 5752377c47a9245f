"""``hokusai-mlflow token declare`` and the others about who may use a token."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from hokusai_mlflow_plugin.cli.connections import open_registry, registry_option
from hokusai_mlflow_plugin.cli.output import (
    output_option,
    print_json,
    print_table,
    reporting_errors,
    time_text,
)

if TYPE_CHECKING:
    from hokusai.declarations import TokenDeclaration

_token_argument = click.argument("token_id")
_publishers = click.option(
    "--publisher", "publishers", multiple=True, required=True, help="A user's name; repeatable."
)


@click.command()
@_token_argument
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    required=True,
    help="A metric that the token pays for; repeatable.",
)
@click.option(
    "--publisher",
    "publishers",
    multiple=True,
    help="A user who may put it on versions; repeatable. By default those who may already.",
)
@click.option("--ceiling", metavar="POINTS", help="Above it an event needs a review.")
@click.option(
    "--reassign",
    is_flag=True,
    help="Take the token from another workspace; its publishers stay behind.",
)
@registry_option
@output_option
@reporting_errors
def declare(
    token_id: str,
    metrics: tuple[str, ...],
    publishers: tuple[str, ...],
    ceiling: str | None,
    reassign: bool,
    registry_uri: str | None,
    as_json: bool,
) -> None:
    """Declare a token, or declare it anew: also one that was closed.

    What is not named again is gone: metrics and ceiling are those of the last declaration.

    \b
    Example:
      hokusai-mlflow token declare IMG-001 --metric accuracy --publisher alice --publisher bob
    """
    registry = open_registry(registry_uri)
    found = registry.declare_token(
        token_id, metrics, publishers or None, ceiling, reassign=reassign
    )
    _show(found, as_json)


@click.command()
@_token_argument
@_publishers
@registry_option
@output_option
@reporting_errors
def grant(
    token_id: str, publishers: tuple[str, ...], registry_uri: str | None, as_json: bool
) -> None:
    """Let users put a declared token on versions.

    \b
    Example:
      hokusai-mlflow token grant IMG-001 --publisher carol
    """
    _show(open_registry(registry_uri).grant_token(token_id, publishers), as_json)


@click.command()
@_token_argument
@_publishers
@registry_option
@output_option
@reporting_errors
def revoke(
    token_id: str, publishers: tuple[str, ...], registry_uri: str | None, as_json: bool
) -> None:
    """Let users put a declared token on versions no more.

    \b
    Example:
      hokusai-mlflow token revoke IMG-001 --publisher bob
    """
    _show(open_registry(registry_uri).revoke_token(token_id, publishers), as_json)


@click.command()
@_token_argument
@registry_option
@output_option
@reporting_errors
def close(token_id: str, registry_uri: str | None, as_json: bool) -> None:
    """Let nobody put a declared token on versions any more; what it earned stays.

    \b
    Example:
      hokusai-mlflow token close IMG-001
    """
    _show(open_registry(registry_uri).close_token(token_id), as_json)


@click.command()
@_token_argument
@registry_option
@output_option
@reporting_errors
def publishers(token_id: str, registry_uri: str | None, as_json: bool) -> None:
    """Show what a token is declared for, and who may put it on versions.

    \b
    Example:
      hokusai-mlflow token publishers IMG-001 --registry-uri http://127.0.0.1:5000
    """
    _show(open_registry(registry_uri).get_token_declaration(token_id), as_json)


@click.command()
@click.option(
    "--undeclared", is_flag=True, help="Also tokens that HOKUSAI_TOKENS=declared would refuse."
)
@registry_option
@output_option
@reporting_errors
def check(undeclared: bool, registry_uri: str | None, as_json: bool) -> None:
    """List tokens of more than one workspace; exit status 1 where there are any.

    Such a token belongs to the workspace that used it first. The others keep their versions, and
    earn nothing more until an administrator assigns it: 'token declare --reassign'.

    \b
    Example:
      hokusai-mlflow token check --registry-uri http://127.0.0.1:5000
    """
    registry = open_registry(registry_uri)
    found = list(registry.every("tokens/check", "tokens", undeclared=undeclared))
    if as_json:
        print_json({"tokens": found})
    else:
        print_table(
            ("token", "belongs to", "has series in", "declared"),
            (
                [
                    each["token_id"],
                    each["owner"],
                    ", ".join(each["workspaces"]),
                    "yes" if each["is_declared"] else "no",
                ]
                for each in found
            ),
        )
    sys.exit(1 if found else 0)


def _show(found: TokenDeclaration, as_json: bool) -> None:
    if as_json:
        print_json(_json(found))
        return
    click.echo(f"{found.token_id} pays for {', '.join(found.metrics)}.")
    click.echo(f"Publishers: {', '.join(found.publishers) or 'none'}.")
    if found.ceiling_pp is not None:
        click.echo(f"Ceiling: {found.ceiling_pp} percentage points.")
    if found.closed_timestamp is not None:
        click.echo(f"Closed since {time_text(found.closed_timestamp)}.")
    if not found.is_enforced:
        click.echo(
            "This registry does not ask for declarations: HOKUSAI_TOKENS is not 'declared'.",
            err=True,
        )


def _json(found: TokenDeclaration) -> dict[str, Any]:
    ceiling = found.ceiling_pp
    return {**vars(found), "ceiling_pp": None if ceiling is None else str(ceiling)}
