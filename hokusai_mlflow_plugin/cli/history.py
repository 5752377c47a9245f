"""``hokusai-mlflow model history`` and ``token history``: what happened, when and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    from hokusai.history import HistoryEntry


@click.command("history")
@click.argument("name")
@registry_option
@output_option
@reporting_errors
def of_model(name: str, registry_uri: str | None, as_json: bool) -> None:
    """Show what happened to a model and its tokenised versions, newest first.

    \b
    Example:
      hokusai-mlflow model history image-classifier
    """
    _show(open_registry(registry_uri).get_model_history(name), as_json)


@click.command("history")
@click.argument("token_id")
@registry_option
@output_option
@reporting_errors
def of_token(token_id: str, registry_uri: str | None, as_json: bool) -> None:
    """Show what happened to a token and under it, newest first.

    \b
    Example:
      hokusai-mlflow token history IMG-001
    """
    _show(open_registry(registry_uri).get_token_history(token_id), as_json)


def _show(found: Sequence[HistoryEntry], as_json: bool) -> None:
    if as_json:
        print_json({"history": [vars(each) for each in found]})
        return
    print_table(
        ("time", "action", "by", "token", "model", "version", "what"),
        (
            [
                time_text(each.timestamp),
                each.action,
                each.actor,
                each.token_id,
                each.name,
                each.version,
                _what(each),
            ]
            for each in found
        ),
    )


def _what(entry: HistoryEntry) -> str:
    if entry.decision is not None:
        return str(entry.decision["outcome"])
    return ", ".join(
        f"{key} {value}" for key, value in entry.details.items() if value not in (None, [])
    )
