"""What a write of a registered model's own tags means: checked, then followed by its versions.

Source: R5.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.db.policy import finding_rows
from hokusai_mlflow_plugin.domain.errors import (
    TagsRefused,
    Violation,
)
from hokusai_mlflow_plugin.domain.metrics import (
    BENCHMARK_METRIC_TAG,
    check_known_metric,
    check_metric_name,
)
from hokusai_mlflow_plugin.domain.tags import (
    RULED_MODEL_TAGS,
    is_prompt,
)
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, check_token_id, shown
from hokusai_mlflow_plugin.services import tag_spelling
from hokusai_mlflow_plugin.services.deltaone import past_heads
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.services.policy import findings
from hokusai_mlflow_plugin.settings import Policy, Settings

_SHOWN_VERSIONS = 5
_METRIC_CHECKS = (check_metric_name, check_known_metric)


def write_model(
    connection: Connection, judge: Judge, model: ModelId, written: Collection[str]
) -> None:
    """Check a model's tags; under the audit policy a refusal goes on record."""
    try:
        _check_model(connection, judge.settings, model, written)
    except TagsRefused as refusal:
        if judge.settings.policy is not Policy.AUDIT:
            raise
        key = VersionId(model.workspace, model.name, finding_rows.OF_MODEL)
        findings.record(connection, key, 0, refusal)
        judge.let_pass(key, refusal)


def follow_model(connection: Connection, settings: Settings, model: ModelId) -> None:
    """Bring the index in line with what a model's own tags now make of its versions.

    Only where versions were written under the audit policy, or past the plugin, is there anything
    to do. They were not decided on: they raise the heads and earn nothing (R9).
    """
    tags = live_versions.read_model_tags(connection, model, RULED_MODEL_TAGS)
    own = None if is_prompt(tags) else tags.get(TOKEN_ID_TAG)
    if live_versions.follows_model_token(connection, model, own):
        return
    tokens: set[str] = set()
    for rows in maintenance.follow_model(connection, settings.catalogue, model):
        tokens |= {row["token_id"] for row in rows if row["decision_id"] is None}
    past_heads.raise_heads(connection, settings.catalogue, model.workspace, tokens)


def _check_model(
    connection: Connection, settings: Settings, model: ModelId, written: Collection[str]
) -> None:
    subject = f"Registered model {shown(model.name)}"
    if respelt := tag_spelling.respelt(connection, model, written, RULED_MODEL_TAGS):
        raise TagsRefused(respelt, subject)
    tags = live_versions.read_model_tags(connection, model, RULED_MODEL_TAGS)
    token_id = tags.get(TOKEN_ID_TAG)
    if token_id is None or is_prompt(tags):
        return
    faults = [check_token_id(token_id)]
    if (metric := tags.get(BENCHMARK_METRIC_TAG)) is not None:
        faults += [check(metric, settings.catalogue) for check in _METRIC_CHECKS]
    if violations := [fault for fault in faults if fault is not None]:
        raise TagsRefused(violations, subject)
    others = live_versions.versions_of_other_tokens(
        connection, model, token_id, _SHOWN_VERSIONS + 1
    )
    if others:
        listed = ", ".join(
            f"{version} ({shown(token)})" for version, token in others[:_SHOWN_VERSIONS]
        )
        message = (
            f"Token {token_id} cannot be given to the registered model: versions of it carry "
            f"another token: {listed}{', …' if len(others) > _SHOWN_VERSIONS else ''}. Amend or "
            "delete those first."
        )
        raise TagsRefused([Violation(TOKEN_ID_TAG, "version_token_differs", message)], subject)
