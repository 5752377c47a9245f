"""The command line, ``hokusai-mlflow``."""

from __future__ import annotations

import click

from hokusai_mlflow_plugin import __version__
from hokusai_mlflow_plugin.cli.corrections import series
from hokusai_mlflow_plugin.cli.database import database
from hokusai_mlflow_plugin.cli.deltaone import deltaone
from hokusai_mlflow_plugin.cli.index import index
from hokusai_mlflow_plugin.cli.metrics import metrics
from hokusai_mlflow_plugin.cli.policy import policy
from hokusai_mlflow_plugin.cli.reach import upkeep
from hokusai_mlflow_plugin.cli.registry import model, token
from hokusai_mlflow_plugin.cli.rewards import rewards
from hokusai_mlflow_plugin.cli.server import server

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hokusai-mlflow")
def main() -> None:
    """Hokusai's token-aware model registry for MLflow."""


for command in (
    server,
    database,
    index,
    token,
    series,
    model,
    upkeep,
    deltaone,
    rewards,
    metrics,
    policy,
):
    main.add_command(command)
