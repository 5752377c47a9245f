"""What one flush of a session did to the registry, as far as the rules and the index care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId


@dataclass(frozen=True)
class CreatedVersion:
    """A version that the flush inserted, with all its tags."""

    version: Version
    tags: Mapping[str, str]


@dataclass(frozen=True)
class AliasGiven:
    """An alias that a tokenised version was given."""

    version: VersionId
    token_id: str
    alias: str
    before: int | None
    """The version of the model that had it until then."""


@dataclass
class Changes:
    """What one flush did, as far as the rules and the index care."""

    created: list[CreatedVersion] = field(default_factory=list)
    retagged: dict[VersionId, set[str]] = field(default_factory=dict)
    """Versions with ruled tags written or deleted, and the keys of those.

    As with models' tags, keys that a database may take for a ruled one are among them.
    """
    added: dict[VersionId, set[str]] = field(default_factory=dict)
    """Those of the keys that the version did not have before."""
    removed: dict[VersionId, dict[str, str]] = field(default_factory=dict)
    """Those of its tags that were deleted, as they were."""
    deleted: set[VersionId] = field(default_factory=set)
    staged: dict[VersionId, tuple[str | None, str | None]] = field(default_factory=dict)
    """Live versions that were given a stage, with the one before and the new one."""
    aliased: list[AliasGiven] = field(default_factory=list)
    """Aliases that were given to tokenised versions."""
    unaliased: list[tuple[VersionId, str]] = field(default_factory=list)
    """Aliases that were taken from versions."""
    created_models: set[ModelId] = field(default_factory=set)
    deleted_models: set[ModelId] = field(default_factory=set)
    deleted_tokenised: dict[ModelId, set[str]] = field(default_factory=dict)
    """Those of them of which a version carried a token, deleted versions included; the tokens."""
    reduced_models: set[ModelId] = field(default_factory=set)
    """Models that lost a tag or an alias of any kind, or a version's."""
    renamed: list[tuple[ModelId, str]] = field(default_factory=list)
    retagged_models: dict[ModelId, set[str]] = field(default_factory=dict)
    """Models with ruled tags of their own written or deleted, and the keys of those."""

    def __bool__(self) -> bool:
        return any(vars(self).values())

    @property
    def needs_lock(self) -> bool:
        return bool(self.locked_fully or self.locked)

    @property
    def locked_fully(self) -> set[ModelId]:
        """Models that no version may be created of meanwhile."""
        return (self.retagged_models.keys() | self.deleted_models) - self.created_models

    @property
    def locked(self) -> set[ModelId]:
        """Models of which nothing may be changed meanwhile that is there already."""
        versions = (*self.retagged, *self.deleted, *self.staged)
        models = {key.model for key in versions} | self.reduced_models
        return models - self.locked_fully - self.created_models
