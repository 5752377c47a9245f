"""MLflow's own clients work on the token-aware server as on a stock one.

Source: issue "The token-aware registry", section "What must hold".
"""

from __future__ import annotations

import json
from collections.abc import Callable

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException
from packaging.version import Version
from support.iris import IrisRun, log_iris_model
from support.listening import Listening
from support.registry import METRIC, TOKEN, VALUE, token_tags

NewName = Callable[[str], str]

pytestmark = pytest.mark.usefixtures("connected")


def tokens_of(version: mlflow.entities.model_registry.ModelVersion) -> dict[str, str]:
    return {key: version.tags[key] for key in (TOKEN, METRIC, VALUE)}


@pytest.mark.parametrize("tags", [None, token_tags()], ids=["untokenised", "tokenised"])
def test_register_model(
    client: MlflowClient, iris_run: IrisRun, new_name: NewName, tags: dict[str, str] | None
) -> None:
    """``mlflow.register_model`` makes a version of a run's model, with the given tags."""
    name = new_name("registered")

    version = mlflow.register_model(iris_run.model_uri, name, tags=tags)

    assert version.version == "1"
    assert client.get_model_version(name, "1").tags == (tags or {})
    assert client.get_model_version(name, "1").run_id == iris_run.run_id


def test_register_logged_model(client: MlflowClient, iris_run: IrisRun, new_name: NewName) -> None:
    """A logged model is registered by its own URI."""
    name = new_name("logged")

    mlflow.register_model(f"models:/{iris_run.model_id}", name, tags=token_tags())

    assert client.get_model_version(name, "1").source == f"models:/{iris_run.model_id}"


@pytest.mark.skipif(
    Version(mlflow.__version__) < Version("3.17"), reason="older clients tag the logged model alone"
)
def test_log_model_with_tags(client: MlflowClient, new_name: NewName) -> None:
    """``log_model`` registers a tokenised version in one go."""
    name = new_name("logged and registered")

    log_iris_model(registered_model_name=name, tags=token_tags())

    assert tokens_of(client.get_model_version(name, "1")) == token_tags()


def test_log_model_without_tags(client: MlflowClient, new_name: NewName) -> None:
    """``log_model`` registers an untokenised version; its tags can be added one by one."""
    name = new_name("tagged later")
    log_iris_model(registered_model_name=name)

    for key, value in token_tags().items():
        client.set_model_version_tag(name, "1", key, value)

    assert tokens_of(client.get_model_version(name, "1")) == token_tags()


@pytest.mark.parametrize("tags", [None, token_tags()], ids=["untokenised", "tokenised"])
@pytest.mark.parametrize("reference", ["1", "@champion"])
def test_load_model(
    client: MlflowClient,
    iris_run: IrisRun,
    new_name: NewName,
    tags: dict[str, str] | None,
    reference: str,
) -> None:
    """A model loaded through the server's artifact proxy predicts what the trained one did."""
    name = new_name("loaded")
    mlflow.register_model(iris_run.model_uri, name, tags=tags)
    client.set_registered_model_alias(name, "champion", "1")
    separator = "" if reference.startswith("@") else "/"

    loaded = mlflow.pyfunc.load_model(f"models:/{name}{separator}{reference}")

    assert np.array_equal(loaded.predict(iris_run.sample), iris_run.predicted)


def test_copy_model_version(client: MlflowClient, iris_run: IrisRun, new_name: NewName) -> None:
    """A copy takes the tags of its source with it."""
    source, target = new_name("copied from"), new_name("copied to")
    mlflow.register_model(iris_run.model_uri, source, tags=token_tags())

    copy = client.copy_model_version(f"models:/{source}/1", target)

    assert (copy.name, copy.version, copy.source) == (target, "1", f"models:/{source}/1")
    assert tokens_of(client.get_model_version(target, "1")) == token_tags()


def test_aliases(client: MlflowClient, iris_run: IrisRun, new_name: NewName) -> None:
    """An alias is set, followed and deleted on a tokenised version."""
    name = new_name("aliased")
    mlflow.register_model(iris_run.model_uri, name, tags=token_tags())

    client.set_registered_model_alias(name, "champion", "1")
    assert client.get_model_version_by_alias(name, "champion").version == "1"

    client.delete_registered_model_alias(name, "champion")
    with pytest.raises(MlflowException, match="champion"):
        client.get_model_version_by_alias(name, "champion")


@pytest.mark.filterwarnings("ignore:.*stages.*")
def test_stages(client: MlflowClient, iris_run: IrisRun, new_name: NewName) -> None:
    """A stage transition archives the version that was there and keeps the tags of both."""
    name = new_name("staged")
    for value in ("0.1", "0.2"):
        mlflow.register_model(iris_run.model_uri, name, tags=token_tags(benchmark_value=value))
    client.transition_model_version_stage(name, "1", "Production")

    client.transition_model_version_stage(name, "2", "Production", archive_existing_versions=True)

    versions = [client.get_model_version(name, number) for number in ("1", "2")]
    assert [version.current_stage for version in versions] == ["Archived", "Production"]
    assert [version.tags[VALUE] for version in versions] == ["0.1", "0.2"]


def test_rename_and_delete(client: MlflowClient, iris_run: IrisRun, new_name: NewName) -> None:
    """Models and versions are renamed and deleted as ever."""
    name, renamed = new_name("before"), new_name("after")
    for _ in range(2):
        mlflow.register_model(iris_run.model_uri, name, tags=token_tags())

    client.rename_registered_model(name, renamed)
    client.delete_model_version(renamed, "1")
    left = client.search_model_versions(f"name = '{renamed}'")
    client.delete_registered_model(renamed)

    assert [version.version for version in left] == ["2"]
    with pytest.raises(MlflowException, match="not found"):
        client.get_registered_model(renamed)


def test_tag_search(client: MlflowClient, iris_run: IrisRun, new_name: NewName) -> None:
    """Stock tag search finds tokenised versions."""
    tokenised, other = new_name("tokenised"), new_name("other")
    mlflow.register_model(iris_run.model_uri, tokenised, tags=token_tags(**{TOKEN: "FIND-ME"}))
    mlflow.register_model(iris_run.model_uri, other)

    found = client.search_model_versions("tags.hokusai_token_id = 'FIND-ME'")

    assert [version.name for version in found] == [tokenised]


def test_prompts(new_name: NewName) -> None:
    """The prompt registry works, and its tags are never looked at."""
    name = "greeting-prompt"
    template = "Good {{ time }}, {{ name }}!"

    mlflow.genai.register_prompt(name, template="Hello!", tags={TOKEN: "not a token"})
    mlflow.genai.register_prompt(name, template=template)
    mlflow.genai.set_prompt_alias(name, alias="polite", version=2)

    loaded = mlflow.genai.load_prompt(f"prompts:/{name}@polite")
    assert (loaded.version, loaded.format(time="day", name="Ada")) == (2, "Good day, Ada!")
    assert mlflow.genai.load_prompt(name, version=1).tags[TOKEN] == "not a token"


def test_webhooks(
    client: MlflowClient, iris_run: IrisRun, new_name: NewName, listening: Listening
) -> None:
    """A webhook of the registry is created, called for a tokenised version, changed and deleted."""
    created = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
    hook = client.create_webhook("hook", listening.url, [created]).webhook_id
    assert [listed.webhook_id for listed in client.list_webhooks()] == [hook]

    mlflow.register_model(iris_run.model_uri, new_name("heard"), tags=token_tags())
    heard = json.loads(listening.next().body)
    assert (heard["action"], heard["data"]["name"]) == ("created", new_name("heard"))
    assert heard["data"]["tags"] == token_tags()

    client.update_webhook(hook, status=WebhookStatus.DISABLED)
    assert client.get_webhook(hook).status == WebhookStatus.DISABLED
    client.delete_webhook(hook)
    assert list(client.list_webhooks()) == []


def test_refusal_over_rest(client: MlflowClient, iris_run: IrisRun, new_name: NewName) -> None:
    """A stock client that registers bad tags gets MLflow's error for a bad request, at once."""
    with pytest.raises(MlflowException, match="Token ID format invalid") as caught:
        mlflow.register_model(iris_run.model_uri, new_name("bad"), tags=token_tags(**{TOKEN: "x"}))

    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert client.search_model_versions(f"name = '{new_name('bad')}'") == []
