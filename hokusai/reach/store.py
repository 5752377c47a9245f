"""MLflow's registry store for ``hokusai+http://`` and ``hokusai+https://`` (R16).

It is the store of a server, spoken to over REST, which finds what it is to register where the
caller's runs are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    PERMISSION_DENIED,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from mlflow.store.model_registry.rest_store import RestStore
from mlflow.utils.credentials import get_default_host_creds

from hokusai.errors import RequestRefused
from hokusai.mlflow_compat import is_registering, model_id_of, run_and_path
from hokusai.new_models import remove_empty_model
from hokusai.reach.addresses import is_same_server, is_shared, server_address, shown
from hokusai.reach.copies import Copy, undone_unless_registered
from hokusai.reach.logged_values import tags_of_binding
from hokusai.reach.origins import Origin, find_origin
from hokusai.reach.settings import CopyMode, ReachSettings, asked_mode, read_settings
from hokusai.registration import require_taken
from hokusai.transport import RestTransport
from hokusai_mlflow_plugin.domain.client_variables import COPY
from hokusai_mlflow_plugin.domain.tag_faults import PROMPT_TAG
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG

_EXISTS = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
_MISSING = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
_NOT_FOUND = (_MISSING, ErrorCode.Name(PERMISSION_DENIED))
_PROXIED = "mlflow-artifacts:"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


def build_store(store_uri: str, tracking_uri: str | None = None) -> ReachingStore:
    """Build the store of a ``hokusai+http(s)`` URI; the entry point of that name.

    Raises:
        RequestRefused: A setting of the client cannot be used.
    """
    return ReachingStore(server_address(store_uri), tracking_uri, read_settings())


class ReachingStore(RestStore):
    """MLflow's store of a server that registers what another one, or this machine, has logged.

    Args:
        server_uri: The registry's server, ``http(s)``.
        tracking_uri: Where the caller's runs are.
        settings: How models from elsewhere are registered.
    """

    def __init__(self, server_uri: str, tracking_uri: str | None, settings: ReachSettings) -> None:
        super().__init__(partial(get_default_host_creds, server_uri))
        self._server_uri = server_uri
        self._tracking_uri = tracking_uri or server_uri
        self._settings = settings
        self._is_token_aware = False
        self._thread = threading.local()

    def create_registered_model(self, name: str, *args: Any, **kwargs: Any) -> RegisteredModel:
        """As MLflow does it; but for a registration that has yet to find its model, not at once.

        ``mlflow.register_model`` creates the registered model before it looks for what it is to
        register, and would leave it behind where there is nothing.
        """
        if not (is_registering() or self._is_copying_version):
            return super().create_registered_model(name, *args, **kwargs)
        self._require_token_aware()
        try:
            self.get_registered_model(name)
        except MlflowException as error:
            # Basic-auth says of a model that is not there what it says of one that is hidden.
            if error.error_code not in _NOT_FOUND:
                return super().create_registered_model(name, *args, **kwargs)
            self._thread.awaited = name
            return RegisteredModel(name)
        self._thread.awaited = None
        raise MlflowException(
            f"Registered Model (name={name}) already exists.", error_code=RESOURCE_ALREADY_EXISTS
        )

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Sequence[ModelVersionTag] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> Any:
        """Register what the server has as MLflow does it, and anything else by R16.

        Raises:
            NotTokenAware: The server does not have the plugin.
            RequestRefused: The registry refuses the tags, or what is to be registered cannot be
                put where it reaches it.
            MlflowException: There is no such model, or a server failed.
        """
        self._require_token_aware()
        create = partial(
            super().create_model_version, name, description=description, local_model_path=None
        )
        given = {tag.key: tag.value for tag in tags or ()}
        if self._is_for_the_server(source, run_id, model_id, given):
            with self._awaited_model(name):
                return create(source, run_id, tags, run_link, model_id=model_id)
        origin = find_origin(self._tracking_uri, source, run_id, model_id)
        by_reference = self._by_reference(origin)
        if TOKEN_ID_TAG in given:
            require_taken(RestTransport(self), name, given)
        run_link = run_link or origin.run_link
        with self._awaited_model(name) as is_new:
            if by_reference:
                bound = {} if is_new else self._bound_tags(name, origin, given)
                all_tags = _tags({**given, **bound, **origin.tags})
                return create(origin.artifact_uri, None, all_tags, run_link)
            copy = Copy(
                self._server_uri, origin, self._settings.experiment, name if is_new else None
            )
            with undone_unless_registered(copy, self._names):
                copy.make()
                all_tags = _tags({**given, **origin.tags, **copy.tags})
                copied = copy.model.model_id
                version = create(
                    f"models:/{copied}", copy.run_id, all_tags, run_link, model_id=copied
                )
            copy.finish()
            return version

    def copy_model_version(self, src_mv: Any, dst_name: str) -> Any:
        """As MLflow does it: a copy is one inside the registry, and fails without a trace."""
        self._thread.copying = True
        try:
            return super().copy_model_version(src_mv, dst_name)
        finally:
            self._thread.copying = False

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """As the server says it; what that serves itself is found from any tracking server.

        MLflow looks for ``mlflow-artifacts:`` on the tracking server of who loads
        (``MlflowArtifactsRepository.resolve_uri``, MLflow 3.17.2).
        """
        uri = str(super().get_model_version_download_uri(name, version))
        if not uri.startswith(_PROXIED) or is_same_server(self._tracking_uri, self._server_uri):
            return uri
        _scheme, _colon, path = uri.partition(":")
        if path.startswith("//"):  # a server of its own serves it
            return uri
        return self._server_uri + _ARTIFACTS + path.lstrip("/")

    def _names(self, model_id: str) -> bool:
        """Whether a version of the registry names a logged model of its server."""
        return bool(self.search_model_versions(f"source_path = 'models:/{model_id}'", 1))

    @property
    def _is_copying_version(self) -> bool:
        return bool(getattr(self._thread, "copying", False))

    @contextmanager
    def _awaited_model(self, name: str) -> Iterator[bool]:
        """Create the registered model that a registration asked for; on an error remove it.

        Yields:
            Whether it was created.
        """
        registering = is_registering() or self._is_copying_version
        awaited = getattr(self._thread, "awaited", None) == name and registering
        self._thread.awaited = None
        is_new = awaited and self._create_model(name)
        try:
            yield is_new
        except BaseException:
            if is_new:
                remove_empty_model(self, name)
            raise

    def _create_model(self, name: str) -> bool:
        """Create a registered model; False where another client was faster."""
        try:
            super().create_registered_model(name)
        except MlflowException as error:
            if error.error_code != _EXISTS:
                raise
            return False
        return True

    def _require_token_aware(self) -> None:
        """Refuse to write to a server without the plugin; one that has it is asked once.

        Raises:
            NotTokenAware: It does not have it.
        """
        if not self._is_token_aware:
            RestTransport(self).post("tags/validate", tags=[])
            self._is_token_aware = True

    def _is_for_the_server(
        self, source: str, run_id: str | None, model_id: str | None, tags: Mapping[str, str]
    ) -> bool:
        """Whether the server has what is registered, or is to judge that itself.

        It is asked where its address is not that of the caller's tracking server: one server can
        have two names, or share its database with another.
        """
        if tags.get(PROMPT_TAG, "").lower() == "true" or _is_of_registry(source):
            return True
        if is_same_server(self._tracking_uri, self._server_uri):
            return True
        parsed = run_and_path(source)
        logged = model_id_of(source) or model_id
        client = MlflowClient(tracking_uri=self._server_uri)
        try:
            if logged:
                client.get_logged_model(logged)
            elif found := run_id or (parsed and parsed[0]):
                client.get_run(found)
            else:
                return False
        except MlflowException as error:
            if error.error_code not in _NOT_FOUND:
                raise
            return False
        return True

    def _by_reference(self, origin: Origin) -> bool:
        """Whether a version refers to the files where they are.

        Raises:
            RequestRefused: Nothing may be copied, and they are where others do not reach them.
        """
        mode = asked_mode(self._settings)
        if mode is CopyMode.ALWAYS:
            return False
        if is_shared(origin.artifact_uri):
            return True
        if mode is CopyMode.NEVER:
            raise RequestRefused(
                f"The model's files are at {shown(origin.artifact_uri)}, where those who load it "
                f"from {shown(self._server_uri)} cannot be expected to reach them, and nothing may "
                f"be copied: leave out copy=False and {COPY}=never, or log models to storage that "
                "is shared, such as s3://."
            )
        return False

    def _bound_tags(self, name: str, origin: Origin, given: Mapping[str, str]) -> Mapping[str, str]:
        """What the registered model makes of a version that stays where it was logged (R17)."""
        return tags_of_binding(origin, self.get_registered_model(name).tags, given)


def _is_of_registry(source: str) -> bool:
    """Whether a source is a version, or an alias or stage, of the registry itself."""
    # Not by model_id_of: MLflow asks for a version's logged model there, and asks the registry that
    # is set for the process, which need not be this one.
    name = source.removeprefix("models:/")
    return name != source and ("/" in name or "@" in name)


def _tags(tags: Mapping[str, str]) -> list[ModelVersionTag]:
    return [ModelVersionTag(key, value) for key, value in tags.items()]
