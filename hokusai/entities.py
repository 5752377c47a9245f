"""What the client answers with: MLflow's own entities, and what a token adds to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.protos.model_registry_pb2 import ModelVersion as ProtoModelVersion
from mlflow.protos.model_registry_pb2 import RegisteredModel as ProtoRegisteredModel
from mlflow.utils.proto_json_utils import parse_dict

from hokusai_mlflow_plugin.domain.contributors import contributors_text
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tag_warnings import TagWarning
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG

__all__ = ["LineageVersion", "ParentVersion", "TokenizedModel"]


def __dir__() -> list[str]:
    return __all__


class TokenizedModel(RegisteredModel):
    """A registered model, and the version that a registration made of it.

    Of ``latest_versions`` it has that one alone: the registry would have to read all versions of
    the model, and a registration would take the longer, the more there are.
    """

    def __init__(
        self,
        model: RegisteredModel,
        model_version: ModelVersion,
        token_id: str,
        warnings: Iterable[TagWarning] = (),
    ) -> None:
        # Every field, also those that a later MLflow adds.
        self.__dict__.update(vars(model))
        self.latest_versions = [model_version]
        # What MLflow writes with a version (sqlalchemy_store.create_model_version, MLflow 3.17.2).
        self.last_updated_timestamp = model_version.creation_timestamp
        self._model_version = model_version
        self._token_id = token_id
        self._warnings = tuple(warnings)

    def __repr__(self) -> str:
        tags = self._model_version.tags
        measured = f"{tags.get(BENCHMARK_METRIC_TAG)} {tags.get(BENCHMARK_VALUE_TAG)}"
        return f"<TokenizedModel {self.name!r} version {self.version}: {self.token_id} {measured}>"

    @property
    def version(self) -> str:
        """Number of the version that was registered."""
        return str(self._model_version.version)

    @property
    def model_version(self) -> ModelVersion:
        """The version that was registered."""
        return self._model_version

    @property
    def token_id(self) -> str:
        """Its token."""
        return self._token_id

    @property
    def warnings(self) -> tuple[TagWarning, ...]:
        """What is likely a mistake in its tags: ``key``, ``code`` and ``message`` of each."""
        return self._warnings

    @classmethod
    def _properties(cls) -> list[str]:
        return sorted({*RegisteredModel._properties(), *cls._get_properties_helper()})


@dataclass(frozen=True)
class ParentVersion:
    """The version that another one improves on.

    What it was measured against is another matter: the best value of its series, which may be of
    another model. ``decision["baseline"]`` names that.
    """

    name: str
    version: str
    relation: str
    """What makes it the parent: ``previous_version``, ``copy`` or ``preceding``."""


class LineageVersion(ModelVersion):
    """A tokenised version with its place in the improvement history."""

    _item: Mapping[str, Any]

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> LineageVersion:
        """One item of the route ``registered-models/lineage``."""
        found: LineageVersion = cls.from_proto(_proto(item["model_version"]))
        found._item = item
        return found

    def __repr__(self) -> str:
        measured = f"{self.token_id} {self.benchmark_metric} {self.benchmark_value}"
        outcome = "undecided" if self.decision is None else self.decision["outcome"]
        return f"<LineageVersion {self.name!r} version {self.version}: {measured}, {outcome}>"

    @property
    def token_id(self) -> str:
        """Its token."""
        return str(self._item["token_id"])

    @property
    def benchmark_metric(self) -> str:
        """Name of the metric that its value is of."""
        return str(self._item["benchmark_metric"])

    @property
    def benchmark_value(self) -> str:
        """The value, as the tag writes it."""
        return str(self._item["benchmark_value"])

    @property
    def contributor_address(self) -> str | None:
        """The contributor's Ethereum address in lower case; None where nobody can be paid."""
        return self._item["contributor_address"]

    @property
    def contributor(self) -> str | None:
        """Who contributed, as the tags write it, payable or not; None where they name nobody."""
        return contributors_text(self.tags)

    @property
    def parent(self) -> ParentVersion | None:
        """The version that it improves on; None for a first one."""
        parent = self._item["parent"]
        return None if parent is None else ParentVersion(**parent)

    @property
    def decision(self) -> dict[str, Any] | None:
        """What the registry decided about it; None where it has decided nothing."""
        return self._item.get("decision")

    @classmethod
    def _properties(cls) -> list[str]:
        return sorted({*ModelVersion._properties(), *cls._get_properties_helper()})


def version_from_json(version: Mapping[str, Any]) -> ModelVersion:
    """A model version in the JSON of MLflow's registry API, as MLflow's client has it."""
    return ModelVersion.from_proto(_proto(version))


def model_from_json(model: Mapping[str, Any]) -> RegisteredModel:
    """A registered model in the JSON of MLflow's registry API, as MLflow's client has it."""
    message = ProtoRegisteredModel()
    parse_dict(dict(model), message)
    return RegisteredModel.from_proto(message)


def as_over_rest(version: ModelVersion) -> ModelVersion:
    """A version as a client gets it from a server.

    MLflow's SQL store gives version numbers as ``int``, its REST store as ``str`` (MLflow 3.17).
    """
    return ModelVersion.from_proto(version.to_proto())


def _proto(version: Mapping[str, Any]) -> ProtoModelVersion:
    message = ProtoModelVersion()
    parse_dict(dict(version), message)
    return message
