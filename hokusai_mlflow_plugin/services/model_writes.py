"""What a write of a registered model's own tags means: checked, then followed by its versions.

Source: R5.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.db.policy import finding_rows
from hokusai_mlflow_plugin.db.tokens import token_owners
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
from hokusai_mlflow_plugin.services.history.entries import record_tags
from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.services.policy import findings
from hokusai_mlflow_plugin.services.tokens import owners
from hokusai_mlflow_plugin.settings import Policy, Settings, TokensPolicy

_SHOWN_VERSIONS = 5
_METRIC_CHECKS = (check_metric_name, check_known_metric)


def write_model(
    connection: Connection, judge: Judge, model: ModelId, written: Collection[str]
) -> None:
    """Check a model's tags; under the audit policy a refusal goes on record."""
    try:
        tags = _check_model(connection, judge, model, written)
    except TagsRefused as refusal:
        if judge.settings.policy is not Policy.AUDIT:
            raise
        key = VersionId(model.workspace, model.name, finding_rows.OF_MODEL)
        findings.record(connection, key, 0, refusal, judge.actor())
        judge.let_pass(key, refusal)
    else:
        if TOKEN_ID_TAG in tags or TOKEN_ID_TAG in written:
            record_tags(connection, judge, model, tags, {key: tags.get(key) for key in written})


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
    connection: Connection, judge: Judge, model: ModelId, written: Collection[str]
) -> Mapping[str, str]:
    """The ruled tags of a model, which break no rule.

    Raises:
        TagsRefused: They do.
    """
    subject = f"Registered model {shown(model.name)}"
    if respelt := tag_spelling.respelt(connection, model, written, RULED_MODEL_TAGS):
        raise TagsRefused(respelt, subject)
    tags = live_versions.read_model_tags(connection, model, RULED_MODEL_TAGS)
    token_id = tags.get(TOKEN_ID_TAG)
    if token_id is None or is_prompt(tags):
        return tags
    faults = [check_token_id(token_id)]
    if (metric := tags.get(BENCHMARK_METRIC_TAG)) is not None:
        faults += [check(metric, judge.settings.catalogue) for check in _METRIC_CHECKS]
    if violations := [fault for fault in faults if fault is not None]:
        raise TagsRefused(violations, subject)
    _check_owner(connection, judge, model, tags, subject)
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
    return tags


def _check_owner(
    connection: Connection, judge: Judge, model: ModelId, tags: Mapping[str, str], subject: str
) -> None:
    """Have the token's owner agree (R18); where tokens are free and one, nobody is asked."""
    settings = judge.settings
    if settings.tokens is TokensPolicy.OPEN and not judge.claims_tokens:
        return
    use = owners.use_of(model.workspace, tags, settings.catalogue, judge.actor())
    owner = token_owners.read_owner(connection, tags[TOKEN_ID_TAG], judge.actor())
    if violations := owners.owner_faults(settings, use, owner):
        raise owners.refusal(violations, subject)
    if owner is None:
        owners.claim_first_use(connection, judge, use, subject)
