"""Checking and indexing what one registry write did.

One code path for every write: the listener says which versions and models a flush touched, and
this re-reads them in the same transaction, refuses what breaks the rules, and brings the token
index in line. Source: design R4 to R7 and section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db import index_writes
from hokusai_mlflow_plugin.db.index_writes import ModelId, StoredVersion, VersionId
from hokusai_mlflow_plugin.domain.errors import TagsRefused, Violation
from hokusai_mlflow_plugin.domain.tags import (
    PROMPT_TAG,
    RULED_TAGS,
    Write,
    check_write,
    is_prompt,
    is_ruled,
    token_tags,
)
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, check_token_id, shown
from hokusai_mlflow_plugin.settings import Policy, Settings

_SHOWN_VERSIONS = 5


@dataclass(frozen=True)
class CreatedVersion:
    """A version that the flush inserted, with all its tags."""

    id: VersionId
    creation_time_ms: int
    tags: Mapping[str, str]


@dataclass
class Changes:
    """What one flush did, as far as the rules and the index care."""

    created: list[CreatedVersion] = field(default_factory=list)
    retagged: dict[VersionId, set[str]] = field(default_factory=dict)
    """Versions with ruled tags written or deleted, and the keys of those."""
    deleted: set[VersionId] = field(default_factory=set)
    deleted_models: set[ModelId] = field(default_factory=set)
    renamed: list[tuple[ModelId, str]] = field(default_factory=list)
    retagged_models: set[ModelId] = field(default_factory=set)
    """Models whose own token tag was written."""

    def __bool__(self) -> bool:
        return any(vars(self).values())


def lock(connection: Connection, changes: Changes) -> None:
    """Take every lock that :func:`apply` needs; to be called before the flush writes."""
    index_writes.lock_model_token(connection, changes.retagged_models)
    touched = {key.model for key in (*changes.retagged, *changes.deleted)}
    index_writes.lock_models(connection, touched - changes.retagged_models)


def apply(connection: Connection, settings: Settings, changes: Changes) -> None:
    """Check what a flush wrote and bring the token index in line with it.

    Raises:
        TagsRefused: The write breaks a rule; the caller rolls the transaction back.
    """
    for model, new_name in changes.renamed:
        index_writes.rename_model(connection, model, new_name)
    for model in sorted(changes.deleted_models):
        index_writes.remove_model(connection, model)
    for key in sorted(changes.deleted):
        index_writes.remove(connection, key)
    for model in sorted(changes.retagged_models):
        _check_model(connection, model)
    for version in changes.created:
        _apply_created(connection, settings, version)
    for key in sorted(changes.retagged):
        _apply_retagged(connection, settings, key, changes.retagged[key])


def _apply_created(connection: Connection, settings: Settings, version: CreatedVersion) -> None:
    tags = version.tags
    model_token = _model_token(connection, version.id.model) if is_ruled(tags) else None
    strict = settings.policy is Policy.STRICT
    _refuse(
        version.id,
        check_write(Write(tags, created=True, model_token=model_token, strict=strict)),
    )
    if valid := token_tags(tags, model_token):
        index_writes.put(connection, version.id, version.creation_time_ms, valid)


def _apply_retagged(
    connection: Connection, settings: Settings, key: VersionId, written: set[str]
) -> None:
    stored = index_writes.read_version(connection, key)
    if stored is None:
        return
    tags = index_writes.read_tags(connection, stored.id, RULED_TAGS)
    model_token = _model_token(connection, key.model) if is_ruled(tags) else None
    write = Write(tags, written, was_tokenised=stored.indexed, model_token=model_token)
    _refuse(stored.id, check_write(write))
    _index(connection, stored, tags, model_token)


def _index(
    connection: Connection, stored: StoredVersion, tags: Mapping[str, str], model_token: str | None
) -> None:
    if valid := token_tags(tags, model_token):
        index_writes.put(connection, stored.id, stored.creation_time_ms, valid)
    elif stored.indexed:
        index_writes.remove(connection, stored.id)


def _model_token(connection: Connection, model: ModelId) -> str | None:
    tags = index_writes.read_model_tags(connection, model, {TOKEN_ID_TAG, PROMPT_TAG})
    return None if is_prompt(tags) else tags.get(TOKEN_ID_TAG)


def _check_model(connection: Connection, model: ModelId) -> None:
    token_id = _model_token(connection, model)
    if token_id is None:
        return
    subject = f"Registered model {shown(model.name)}"
    if violation := check_token_id(token_id):
        raise TagsRefused([violation], subject)
    others = index_writes.versions_of_other_tokens(connection, model, token_id, _SHOWN_VERSIONS + 1)
    if others:
        listed = ", ".join(f"{version} ({shown(token)})" for version, token in others)
        message = (
            f"Token {token_id} cannot be given to the registered model: versions of it carry "
            f"another token: {listed}{', …' if len(others) > _SHOWN_VERSIONS else ''}. Amend or "
            "delete those first."
        )
        raise TagsRefused([Violation(TOKEN_ID_TAG, "version_token_differs", message)], subject)


def _refuse(key: VersionId, violations: list[Violation]) -> None:
    if violations:
        raise TagsRefused(violations, f"Model {shown(key.name)} version {key.version}")
