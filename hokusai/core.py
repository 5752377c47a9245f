"""The token-aware model registry in Python.

Source: specification sections "Usage Guide" and "API Reference".
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from hokusai.arguments import optional_text, text, version_number
from hokusai.binding import bind
from hokusai.bulk import register_each
from hokusai.declarations import TokenDeclarations
from hokusai.entities import (
    LineageVersion,
    TokenizedModel,
    as_over_rest,
    version_from_json,
)
from hokusai.errors import NotTokenised, translated
from hokusai.history import Histories
from hokusai.lineage import Lineage
from hokusai.mlflow_compat import resolve_uris
from hokusai.pages import link, page_url
from hokusai.reach.settings import copying
from hokusai.registering import register_version
from hokusai.registration import is_valid, registration_tags, require_valid
from hokusai.transport import (
    Transport,
    every,
    is_remote,
    open_transport,
    store_uri,
    without_credentials,
)
from hokusai_mlflow_plugin.domain.tags import check_registration
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG

__all__ = ["ModelRegistry"]


_IN_FLIGHT = 8
"""Registrations at a time: MLflow's client keeps ten connections."""


def __dir__() -> list[str]:
    return __all__


class ModelRegistry(Histories, TokenDeclarations):
    """MLflow's model registry, with the tokens of its versions.

    What is not given is taken from MLflow's own configuration at this moment, as ``MlflowClient``
    does it: ``mlflow.set_registry_uri``, ``MLFLOW_REGISTRY_URI``, and so on. A server is spoken to
    over REST; a database, that of a bare MLflow installation included, is opened in this process
    with the token rules enforced.

    Args:
        registry_uri: The registry, as for ``MlflowClient``.
        tracking_uri: Where runs are, as for ``MlflowClient``.

    Raises:
        NotTokenAware: The registry is one of files, or another one that knows no tokens.
    """

    def __init__(self, registry_uri: str | None = None, tracking_uri: str | None = None) -> None:
        registry_uri, self.tracking_uri = resolve_uris(
            optional_text("registry_uri", registry_uri), optional_text("tracking_uri", tracking_uri)
        )
        self.registry_uri = store_uri(registry_uri, self.tracking_uri)
        """Where MLflow's own functions find the same registry: a server, or ``hokusai+…``."""

    def __repr__(self) -> str:
        uris = (without_credentials(uri) for uri in (self.registry_uri, self.tracking_uri))
        return "ModelRegistry(registry_uri={!r}, tracking_uri={!r})".format(*uris)

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>{link(self.url, 'Tokens and rewards')}"

    @property
    def url(self) -> str | None:
        """The address of the registry's pages, for a browser; None for a database without server.

        ``url`` of what :meth:`get_model_lineage` returns is that of the model's own page.
        """
        return page_url(self.registry_uri)

    @translated()
    def register_tokenized_model(
        self,
        model_uri: str,
        name: str,
        token_id: str,
        benchmark_metric: str,
        benchmark_value: str | float | Decimal,
        tags: Mapping[str, Any] | None = None,
        *,
        copy: bool | None = None,
    ) -> TokenizedModel:
        """Register a model as one new version that carries a token.

        It is checked in this process, then by the registry, and only then created: one version,
        all tags in one request. Every model URI is taken that ``mlflow.register_model`` takes.
        MLflow's settings stay as they are, for other threads, too.

        Args:
            model_uri: The model, e.g. ``runs:/RUN_ID/model``.
            name: Name of the registered model; it is created where there is none.
            token_id: The token, e.g. ``IMG-001``.
            benchmark_metric: The metric that improvements are measured by.
            benchmark_value: Its value, as text or as a number: a float is written by its ``repr``,
                as MLflow logs it, a Decimal with its digits; NumPy's numbers like Python's.
            tags: More tags of the version: text, numbers, or truth values. None is refused, as it
                would become the text "None".

        Returns:
            The registered model, with ``version``, ``model_version``, ``token_id`` and
            ``warnings``: what was let pass and is likely a mistake. Each of them is issued as
            a ``HokusaiWarning`` too, before anything is written.

        Raises:
            RequestRefused: A ``ValueError`` with every fault found; nothing was made, no registered
                model either.
            MlflowException: There is no such model to register, or the registry failed.
        """
        model_uri, name = text("model_uri", model_uri), text("name", name)
        given = registration_tags(token_id, benchmark_metric, benchmark_value, tags)
        warned, known = require_valid(self._transport, name, given)
        with copying(copy):
            model, version = register_version(self._client, model_uri, name, given, known)
        return TokenizedModel(model, as_over_rest(version), given[TOKEN_ID_TAG], warned)

    def register_tokenized_models(
        self, items: Iterable[Mapping[str, Any]], *, progress: bool = True
    ) -> list[TokenizedModel | Exception]:
        """Register many models, several at a time, whatever becomes of each.

        Those of one name, and those of one token, are registered one after the other in their
        order: versions are numbered by it, and improvements measured. In a database of this
        process, all of them are.

        Args:
            items: The parameters of :meth:`register_tokenized_model`, by their names or by
                the short ones ``uri``, ``metric`` and ``value``.
            progress: Whether to show a progress bar.

        Returns:
            For each item, in order, the registered model or the error.

        Raises:
            RequestRefused: ``items`` is no list.
        """
        # A server is asked on connections of its own; in this process, writers of one database
        # would wait for each other.
        in_flight = _IN_FLIGHT if is_remote(self.registry_uri) else 1
        return register_each(
            self.register_tokenized_model, items, progress=progress, in_flight=in_flight
        )

    @translated()
    def bind_model(self, name: str, token_id: str, benchmark_metric: str) -> RegisteredModel:
        """Have a registered model tokenise its versions by itself.

        From then on each version of it that is registered without token tags, and whose run or
        logged model logged the metric, carries the token, the metric and the value that was
        logged. Scripts that register it need not change.

        Args:
            name: Name of the registered model; it is created where there is none.
            token_id: The token, e.g. ``IMG-001``.
            benchmark_metric: The metric that improvements are measured by.

        Returns:
            The registered model, with both tags.

        Raises:
            RequestRefused: Token or metric is wrong, or versions carry another token; the model
                is as it was before.
        """
        name, token_id = text("name", name), text("token_id", token_id)
        self.ask("tokens/list", max_results=1)  # a registry that knows no tokens would bind nothing
        return bind(self._client, name, token_id, text("benchmark_metric", benchmark_metric))

    @translated()
    def get_tokenized_model(self, name: str, version: str | int | None = None) -> ModelVersion:
        """A tokenised version of a model, by default the latest one.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``; there is no such version or model.
            NotTokenised: The version carries no complete and valid token tags, or without
                ``version``, the model has none that does.
        """
        name = text("name", name)
        number = self._latest_tokenised(name) if version is None else version_number(version)
        found = self._client.get_model_version(name, number)
        if not _is_tokenised(found):
            raise NotTokenised(
                f"Version {number} of model {name!r} carries no token. get_model_lineage lists "
                "the versions that do."
            )
        return as_over_rest(found)

    @translated()
    def list_models_by_token(self, token_id: str) -> list[ModelVersion]:
        """All tokenised versions of a token, newest first; an unknown token has none.

        Raises:
            RequestRefused: The token id is malformed.
        """
        token_id = text("token_id", token_id)
        route = "model-versions/list-by-token"
        found = every(self._transport, route, "model_versions", token_id=token_id)
        return [version_from_json(version) for version in found]

    @translated()
    def get_latest_model_version(self, name: str) -> ModelVersion:
        """The version of a model with the highest number, tokenised or not.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``; there is no such model.
            NotTokenised: The model has no version.
        """
        latest = self._latest(text("name", name))
        if latest is None:
            raise NotTokenised(f"Model {name!r} has no version yet.")
        return as_over_rest(self._client.get_model_version(name, str(latest.version)))

    @translated()
    def get_model_lineage(self, name: str) -> Lineage:
        """All tokenised versions of a model, oldest first, each with what it improves on.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``; there is no such model.
        """
        name = text("name", name)
        found = every(self._transport, "registered-models/lineage", "lineage", name=name)
        versions = (LineageVersion.from_json(item) for item in found)
        return Lineage(name, versions, page_url(self.registry_uri, "model", name=name))

    @translated()
    def validate_hokusai_tags(self, tags: Mapping[str, Any]) -> bool:
        """Whether a version could be registered with these tags; writes nothing.

        The registry is asked, by its own metric catalogue and by who may use the token, unless the
        tags are wrong by themselves.
        It may still refuse a version of a registered model that carries another token.

        Raises:
            RequestRefused: They are no dict.
        """
        return is_valid(self._transport, tags)

    @translated()
    def ask(self, route: str, **parameters: Any) -> Mapping[str, Any]:
        """The answer of any GET route of the registry, e.g. ``ask("tokens/list", prefix="IMG")``.

        Raises:
            RequestRefused: A parameter cannot be used.
        """
        return self._transport.get(text("route", route), **parameters)

    @translated()
    def every(self, route: str, key: str, **parameters: Any) -> list[Mapping[str, Any]]:
        """The items under ``key`` of all pages of a GET route of the registry.

        Raises:
            RequestRefused: A parameter cannot be used.
        """
        return list(every(self._transport, text("route", route), key, **parameters))

    @property
    def _client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.registry_uri)

    @property
    def _transport(self) -> Transport:
        return open_transport(self.registry_uri, self.tracking_uri)

    def _latest(self, name: str) -> ModelVersion | None:
        by_stage = self._client.get_registered_model(name).latest_versions
        return max(by_stage, key=lambda version: int(version.version), default=None)

    def _latest_tokenised(self, name: str) -> str:
        latest = self._latest(name)
        if latest is not None and _is_tokenised(latest):
            return str(latest.version)
        lineage = self.get_model_lineage(name)
        if not lineage:
            raise NotTokenised(f"No version of model {name!r} carries a token.")
        return str(lineage[-1].version)


def _is_tokenised(version: ModelVersion) -> bool:
    return not check_registration(version.tags)
