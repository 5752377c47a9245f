"""Registered models."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hokusai_mlflow_plugin.web.api.answers.common import Milliseconds, VersionNumber, exact_fields


@exact_fields
class TagEntry(TypedDict):
    """A tag of a model or of a model version."""

    key: str
    value: str


@exact_fields
class AliasEntry(TypedDict):
    """A name for one version of a model."""

    alias: str
    version: VersionNumber


@exact_fields
class RegisteredModel(TypedDict):
    """A registered model as MLflow's own registry API gives it, without its versions."""

    name: str
    creation_timestamp: NotRequired[Milliseconds]
    last_updated_timestamp: NotRequired[Milliseconds]
    description: NotRequired[str]
    tags: NotRequired[list[TagEntry]]
    aliases: NotRequired[list[AliasEntry]]
