"""``ModelRegistry`` gives the same answers over REST and in process.

Source: specification sections "Usage Guide" and "API Reference".
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from support.iris import log_iris_model
from support.registry import METRIC, PROMPT, SOURCE, TOKEN, VALUE, token_tags

from hokusai import registration
from hokusai.core import ModelRegistry
from hokusai.entities import LineageVersion
from hokusai.errors import HokusaiWarning, NotTokenised, RequestRefused

NewName = Callable[[str], str]
Register = Callable[..., Any]

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"


@pytest.fixture
def mlflow_client(registry: ModelRegistry) -> MlflowClient:
    """MLflow's own client of the same registry."""
    return MlflowClient(tracking_uri=registry.tracking_uri, registry_uri=registry.registry_uri)


@pytest.fixture
def register(registry: ModelRegistry, new_token: str) -> Register:
    """Registers a version of the test's own token: ``register("name", "0.85", tags={})``."""

    def make(name: str, value: object = "0.85", **others: Any) -> Any:
        given = {"token_id": new_token, "benchmark_metric": "accuracy", **others}
        return registry.register_tokenized_model(SOURCE, name, benchmark_value=value, **given)

    return make


def model_names(client: MlflowClient) -> set[str]:
    return {model.name for model in client.search_registered_models(max_results=1000)}


def test_registered_model(
    register: Register, mlflow_client: MlflowClient, new_name: NewName, new_token: str
) -> None:
    """A registration makes one version with all tags, and returns MLflow's registered model."""
    name = new_name("model")

    made = register(name, tags={"dataset_size": 50000})

    assert isinstance(made, RegisteredModel)
    assert (made.name, made.version, made.token_id) == (name, "1", new_token)
    stored = mlflow_client.get_model_version(name, "1")
    assert stored.tags == made.model_version.tags
    assert stored.tags == token_tags(**{TOKEN: new_token, "dataset_size": "50000"})
    assert len(mlflow_client.search_model_versions(f"name = '{name}'")) == 1
    assert dict(made)["token_id"] == new_token
    assert repr(made) == f"<TokenizedModel {name!r} version 1: {new_token} accuracy 0.85>"


def test_likely_mistakes(register: Register, new_name: NewName) -> None:
    """What is let pass and is likely a mistake is a Python warning, and is on the result (R15)."""
    tags = {"contributor": "alice", "previous_version": "7"}
    with pytest.warns(HokusaiWarning) as issued:
        made = register(new_name("model"), benchmark_metric="uplift", tags=tags)
    codes = [
        ("benchmark_metric", "metric_direction_unknown"),
        ("contributor", "contributor_not_payable"),
        ("previous_version", "previous_version_unknown"),
    ]
    assert [(each.key, each.code) for each in made.warnings] == codes
    assert [(each.message.key, each.message.code) for each in issued] == codes
    assert [str(each.message) for each in issued] == [each.message for each in made.warnings]
    assert {each.filename for each in issued} == {__file__}, "it points at the caller's line"
    with warnings.catch_warnings(record=True) as issued:
        next_one = register(
            new_name("model"), "0.9", tags={"contributor": ADDRESS.lower(), "previous_version": "1"}
        )
    assert (next_one.warnings, [each for each in issued if is_ours(each)]) == ((), [])


def is_ours(issued: warnings.WarningMessage) -> bool:
    return issued.category is HokusaiWarning


def test_a_likely_mistake_as_an_error(
    register: Register, mlflow_client: MlflowClient, new_name: NewName
) -> None:
    """Who turns warnings into errors gets one before anything is written."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", HokusaiWarning)
        with pytest.raises(HokusaiWarning, match="no contributor"):
            register(new_name("model"))
    assert new_name("model") not in model_names(mlflow_client)


@pytest.mark.parametrize("kind", ["run", "logged model", "version"])
def test_model_uris(registry: ModelRegistry, new_name: NewName, new_token: str, kind: str) -> None:
    """Every URI of a model is taken that MLflow takes, and the version can be loaded."""
    iris = log_iris_model()
    mlflow.register_model(iris.model_uri, new_name("source"))
    uris = {
        "run": iris.model_uri,
        "logged model": f"models:/{iris.model_id}",
        "version": f"models:/{new_name('source')}/1",
    }
    name = new_name("target")

    registry.register_tokenized_model(uris[kind], name, new_token, "accuracy", "0.97")

    loaded = mlflow.pyfunc.load_model(f"models:/{name}/1")
    assert np.array_equal(loaded.predict(iris.sample), iris.predicted)


@pytest.mark.parametrize(
    ("given", "tag"), [(0.85, "0.85"), (1, "1"), (np.float64(0.1), "0.1"), ("1e-3", "1e-3")]
)
def test_values_are_text(register: Register, new_name: NewName, given: object, tag: str) -> None:
    """A benchmark value that is a number is written as MLflow logs it."""
    assert register(new_name("model"), given).model_version.tags[VALUE] == tag


@pytest.mark.parametrize("finder", ["client", "registry"])
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"token_id": "msg_ai"}, "Token ID format invalid: 'msg_ai'.* Did you mean 'MSG-AI'?"),
        ({"benchmark_value": "high"}, "Benchmark value must be numeric"),
        ({"benchmark_value": float("nan")}, "Benchmark value must be numeric"),
        ({"benchmark_metric": " "}, "Benchmark metric name invalid"),
        ({"tags": {PROMPT: "true"}}, "cannot be a prompt"),
        ({"tags": {"contributor": "Ada", "contributor_address": "Bob"}}, "different contributors"),
        (
            {"token_id": "x", "benchmark_value": "y"},
            "2 faults.*Token ID format invalid.*Benchmark value must be numeric",
        ),
    ],
)
def test_refusals(
    registry: ModelRegistry,
    mlflow_client: MlflowClient,
    new_name: NewName,
    monkeypatch: pytest.MonkeyPatch,
    finder: str,
    given: dict[str, Any],
    sentence: str,
) -> None:
    """Each fault is a ``ValueError`` and an ``MlflowException``, whoever finds it, without a trace.

    The registry finds what an older client, which knows fewer rules, lets pass.
    """
    if finder == "registry":
        monkeypatch.setattr(registration, "check_registration", lambda _tags: [])
    name = new_name("refused")
    parameters = {
        "token_id": "IMG-001",
        "benchmark_metric": "accuracy",
        "benchmark_value": "0.85",
        **given,
    }

    with pytest.raises(RequestRefused, match=sentence) as caught:
        registry.register_tokenized_model(SOURCE, name, **parameters)

    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, MlflowException)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert name not in model_names(mlflow_client)


def test_token_of_the_model(
    registry: ModelRegistry, register: Register, mlflow_client: MlflowClient, new_name: NewName
) -> None:
    """What only the store can find, a token that is not the model's, is a ``ValueError``, too."""
    name = new_name("model")
    mlflow_client.create_registered_model(name, tags={TOKEN: "OTHER-1"})

    with pytest.raises(RequestRefused, match="may carry only that one"):
        register(name)

    assert registry.get_model_lineage(name) == []
    assert mlflow_client.search_model_versions(f"name = '{name}'") == []


def test_tags_against_arguments(
    register: Register, mlflow_client: MlflowClient, new_name: NewName, new_token: str
) -> None:
    """Tags may repeat the arguments, but not contradict them."""
    name = new_name("model")
    register(name, 0.5, tags={VALUE: "0.5", TOKEN: new_token})

    with pytest.raises(RequestRefused, match=r"2 faults.*hokusai_token_id.*benchmark_value"):
        register(name, 0.5, tags={VALUE: "0.50", TOKEN: "OTHER-1"})

    assert len(mlflow_client.search_model_versions(f"name = '{name}'")) == 1


def test_wrong_queries(registry: ModelRegistry, register: Register, new_name: NewName) -> None:
    """A malformed query is a ``ValueError``; one about nobody says that nobody is there."""
    register(new_name("model"))

    with pytest.raises(RequestRefused, match="Token ID format invalid"):
        registry.list_models_by_token("bad token")
    with pytest.raises(MlflowException, match="not found") as caught:
        registry.get_model_lineage(new_name("nobody's"))
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_get_tokenized_model(
    registry: ModelRegistry, register: Register, mlflow_client: MlflowClient, new_name: NewName
) -> None:
    """A version is got by its number, else the latest tokenised one."""
    name = new_name("model")
    register(name, "0.1")
    register(name, "0.2")
    mlflow_client.set_registered_model_alias(name, "champion", "2")
    mlflow_client.create_model_version(name, SOURCE)

    assert registry.get_tokenized_model(name, "1").tags[VALUE] == "0.1"
    assert registry.get_tokenized_model(name, 2).aliases == ["champion"]
    latest = registry.get_tokenized_model(name)
    assert (latest.version, latest.tags[VALUE]) == ("2", "0.2")


@pytest.mark.parametrize("version", [None, "1", "2"])
def test_no_tokenized_model(
    registry: ModelRegistry, mlflow_client: MlflowClient, new_name: NewName, version: str | None
) -> None:
    """A version that is not there, or not tokenised, does not exist for the client."""
    name = new_name("model")
    mlflow_client.create_registered_model(name)
    mlflow_client.create_model_version(name, SOURCE, tags={METRIC: "accuracy", VALUE: "0.85"})

    with pytest.raises(MlflowException, match=r"carries|not found") as caught:
        registry.get_tokenized_model(name, version)

    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_latest_model_version(
    registry: ModelRegistry, register: Register, mlflow_client: MlflowClient, new_name: NewName
) -> None:
    """The latest version is the live one with the highest number, tokenised or not."""
    name = new_name("model")
    mlflow_client.create_registered_model(name)
    with pytest.raises(NotTokenised, match="has no version yet"):
        registry.get_latest_model_version(name)
    for _ in range(9):
        register(name)
    mlflow_client.create_model_version(name, SOURCE, tags={"untokenised": "yes"})
    mlflow_client.create_model_version(name, SOURCE)

    mlflow_client.delete_model_version(name, "11")

    latest = registry.get_latest_model_version(name)
    assert (latest.version, latest.tags) == ("10", {"untokenised": "yes"})


def test_list_models_by_token(
    registry: ModelRegistry,
    register: Register,
    mlflow_client: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    new_name: NewName,
    new_token: str,
) -> None:
    """All pages of a token's versions are listed, newest first, as MLflow's own entities."""
    monkeypatch.setattr("hokusai.transport._PAGE_SIZE", 2)
    one, two = new_name("one"), new_name("two")
    for name in (one, two, one, two, one):
        register(name)

    listed = registry.list_models_by_token(new_token)

    assert [type(version) for version in listed] == [ModelVersion] * 5
    assert {(version.name, version.version) for version in listed} == {
        (one, "1"), (two, "1"), (one, "2"), (two, "2"), (one, "3")
    }  # fmt: skip
    times = [version.creation_timestamp for version in listed]
    assert times == sorted(times, reverse=True)
    for version in listed:
        assert version.tags == mlflow_client.get_model_version(version.name, version.version).tags
    assert registry.list_models_by_token("NOBODY-HAS-IT") == []


def test_lineage(
    registry: ModelRegistry,
    register: Register,
    mlflow_client: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    new_name: NewName,
    new_token: str,
) -> None:
    """The lineage is every tokenised version, oldest first, with contributor and parent."""
    monkeypatch.setattr("hokusai.transport._PAGE_SIZE", 2)
    name = new_name("model")
    register(name, "0.1")
    register(name, "0.2", tags={"contributor": ADDRESS})
    mlflow_client.create_model_version(name, SOURCE)
    register(name, "0.3", tags={"previous_version": "1"})

    lineage = registry.get_model_lineage(name)

    assert lineage.name == name
    assert [type(item) for item in lineage] == [LineageVersion] * 3
    assert [(item.version, item.benchmark_value) for item in lineage] == [
        ("1", "0.1"), ("2", "0.2"), ("4", "0.3")
    ]  # fmt: skip
    assert {(item.token_id, item.benchmark_metric) for item in lineage} == {(new_token, "accuracy")}
    assert [item.contributor_address for item in lineage] == [None, ADDRESS.lower(), None]
    parents = [item.parent and (item.parent.version, item.parent.relation) for item in lineage]
    assert parents == [None, ("1", "preceding"), ("1", "previous_version")]
    assert [item.tags for item in lineage] == [
        mlflow_client.get_model_version(name, item.version).tags for item in lineage
    ]
    assert dict(lineage[1])["contributor_address"] == ADDRESS.lower()
    assert copy.deepcopy(lineage) == lineage


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({VALUE: 0.95}, True),
        ({TOKEN: "test_001"}, False),
        ({PROMPT: "true"}, False),
        ({VALUE: "high"}, False),
        ({"contributor": "Ada", "contributor_address": "Bob"}, False),
    ],
)
def test_validate_hokusai_tags(
    registry: ModelRegistry, changes: dict[str, Any], valid: bool
) -> None:
    """Tags are valid when a version could be registered with them."""
    assert registry.validate_hokusai_tags({**token_tags(), **changes}) is valid


@pytest.mark.parametrize("missing", [TOKEN, METRIC, VALUE])
def test_validate_missing_tags(registry: ModelRegistry, missing: str) -> None:
    """Tags without a required one are not valid."""
    tags = {key: value for key, value in token_tags().items() if key != missing}
    assert registry.validate_hokusai_tags(tags) is False


def test_bulk(
    registry: ModelRegistry, new_name: NewName, new_token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each item of a bulk registration has its own result, in order, with a progress bar."""
    name = new_name("model")
    item = {"uri": SOURCE, "name": name, "token_id": new_token, "metric": "accuracy"}
    long = {"model_uri": SOURCE, "benchmark_metric": "rmse", "benchmark_value": 0.2}
    items: list[dict[str, Any]] = [
        {**item, "value": "0.85"},
        {**item, "value": "high"},
        {**item},
        {**item, "value": "0.86", "benchmark_value": "0.86"},
        {**item, "value": "0.86", "tokenid": "T-1"},
        {**item, "value": "0.86", "uri": "runs:/nobody/model"},
        {"name": name, "token_id": new_token, **long, "tags": {"gpu_type": "A100"}},
    ]

    results = registry.register_tokenized_models(iter(items))

    versions = [result.version for result in (results[0], results[6])]
    assert versions == ["1", "2"]
    assert results[6].model_version.tags["gpu_type"] == "A100"
    for result, sentence in zip(
        results[1:6],
        ["must be numeric", "value is missing", "given twice", "tokenid is unknown", "not found"],
        strict=True,
    ):
        assert isinstance(result, MlflowException)
        assert sentence in str(result)
    assert len(registry.get_model_lineage(name)) == 2
    assert "Registering models" in capsys.readouterr().err


def test_registry_can_be_pickled(
    registry: ModelRegistry, register: Register, new_name: NewName
) -> None:
    """A registry goes to worker processes as it is: it holds two URIs and nothing else."""
    register(new_name("model"))

    sent = pickle.loads(pickle.dumps(registry))  # noqa: S301  # this test's own bytes

    assert sent.get_tokenized_model(new_name("model")).version == "1"
