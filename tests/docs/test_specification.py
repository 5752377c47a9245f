"""Every Python block of the specification does what it says, as it is written.

All blocks run once in order, in one session, against a server and with nothing configured; the
tests then look at what came of them. Source: docs/model-registry.md.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from support.iris import IrisRun, log_iris_model, train_iris_model
from support.registry import METRIC, TOKEN, VALUE
from support.servers import mlflow_server
from support.specification import Block, Session, python_blocks

from hokusai import registration
from hokusai.core import ModelRegistry

BLOCKS = python_blocks()
SIGNATURES = [heading for heading in BLOCKS if heading.startswith("`")]
RUN = [heading for heading in BLOCKS if heading not in SIGNATURES]
ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"


@pytest.fixture(scope="module", params=["server", "nothing configured"])
def iris(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IrisRun]:
    """A real run that stands for those that the specification names."""
    folder = tmp_path_factory.mktemp("specification")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("reader"))
        if request.param == "server":
            with mlflow_server(folder) as server:
                patch.setenv("MLFLOW_TRACKING_URI", server.uri)
                patch.setenv("MLFLOW_REGISTRY_URI", server.uri)
                yield log_iris_model()
        else:
            yield log_iris_model()


@pytest.fixture(scope="module")
def session(iris: IrisRun) -> Session:
    """The session in which all blocks have run."""
    placeholders = {
        "data": None,
        "train_model": train_iris_model,
        "contributor_eth_address": ADDRESS,
        "data_hash": "0" * 64,
    }
    session = Session(placeholders, iris.run_id)
    for heading in RUN:
        session.run(BLOCKS[heading])
    return session


@pytest.fixture
def client(session: Session) -> MlflowClient:
    """MLflow's own client, of the registry that the blocks wrote to."""
    registry: ModelRegistry = session.namespace["registry"]
    return MlflowClient(tracking_uri=registry.tracking_uri, registry_uri=registry.registry_uri)


def versions(client: MlflowClient, name: str) -> list[dict[str, str]]:
    """The tags of all versions of a model, oldest first."""
    found = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])
    return [version.tags for version in found]


def tokens(token_id: str, metric: str, value: str, **others: str) -> dict[str, str]:
    return {TOKEN: token_id, METRIC: metric, VALUE: value, **others}


def test_token_aware_registration(session: Session, client: MlflowClient) -> None:
    """The first example makes one version with the token, of the model that it names."""
    registered = session.names["Token-Aware Registration"]["model_info"]

    assert isinstance(registered, RegisteredModel)
    assert (registered.name, registered.version) == ("sentiment-analyzer", "1")
    assert versions(client, "sentiment-analyzer") == [tokens("SENT-001", "f1_score", "0.85")]


def test_basic_model_registration(session: Session, client: MlflowClient, iris: IrisRun) -> None:
    """A model that was trained, logged and registered is the one that is loaded."""
    names = session.names["Basic Model Registration"]

    assert names["registered_model"].model_version.run_id == names["run"].info.run_id
    assert versions(client, "my-classifier") == [tokens("CLASS-001", "accuracy", "0.92")]
    loaded = mlflow.pyfunc.load_model("models:/my-classifier/1")
    assert np.array_equal(loaded.predict(iris.sample), iris.predicted)


def test_registering_multiple_versions(session: Session, client: MlflowClient) -> None:
    """Registering a name again makes the next version, with tags of its own."""
    names = session.names["Registering Multiple Versions"]

    assert (names["baseline"].version, names["improved"].version) == ("1", "2")
    assert versions(client, "image-classifier") == [
        tokens("IMG-001", "accuracy", "0.85"),
        tokens(
            "IMG-001",
            "accuracy",
            "0.87",
            contributor=ADDRESS,
            data_contribution="1000_labeled_images",
        ),
    ]


def test_retrieving_models(session: Session, client: MlflowClient) -> None:
    """Versions are got by number, by token, newest first, and by being the latest."""
    names = session.names["Retrieving Models"]
    first, second = versions(client, "image-classifier")
    listed = names["token_models"]

    assert all(isinstance(version, ModelVersion) for version in (*listed, names["latest"]))
    assert names["latest"].version == "2"
    assert [(version.version, version.tags) for version in listed] == [("2", second), ("1", first)]
    lines = session.printed["Retrieving Models"].splitlines()
    assert lines == [f"image-classifier v{version.version}: {version.tags}" for version in listed]


def test_model_metadata_and_tags(session: Session, client: MlflowClient) -> None:
    """Custom tags are kept, a contributor that cannot be paid included."""
    assert versions(client, "nlp-model") == [
        tokens(
            "NLP-001",
            "perplexity",
            "25.3",
            contributor_address="0x123...",
            contribution_type="fine_tuning_data",
            dataset_size="50000",
            training_hours="12",
            gpu_type="A100",
            improvement_method="domain_adaptation",
            previous_version="1",
        )
    ]


@pytest.mark.parametrize(("part", "valid"), [(0, True), (1, False)], ids=["good", "invalid"])
def test_token_id_conventions(session: Session, part: int, valid: bool) -> None:
    """The good token ids of the specification are taken, the invalid ones are refused."""
    code = BLOCKS["Token ID Conventions"].code.split("# Invalid token IDs")[part]
    token_ids = [ast.literal_eval(line) for line in code.splitlines() if line.startswith('"')]
    registry: ModelRegistry = session.namespace["registry"]

    assert len(token_ids) in (3, 4)
    for token_id in token_ids:
        assert registry.validate_hokusai_tags(tokens(token_id, "accuracy", "0.9")) is valid
        if not valid:
            with pytest.raises(ValueError, match="Token ID format invalid"):
                registry.list_models_by_token(token_id)


def test_delta_one(session: Session, client: MlflowClient) -> None:
    """From an rmse of 0.15 to 0.13 is DeltaOne, because for rmse lower is better."""
    assert session.printed["Integration with DeltaOne"].splitlines() == [
        "DeltaOne achieved! Rewards will be distributed."
    ]
    assert versions(client, "predictor") == [
        tokens("PRED-001", "rmse", "0.15"),
        tokens("PRED-001", "rmse", "0.13"),
    ]


def test_model_lineage_tracking(session: Session, client: MlflowClient) -> None:
    """The lineage prints each version with its value, contributor and time."""
    created = client.get_model_version("sentiment-analyzer", "1").creation_timestamp

    assert session.printed["Model Lineage Tracking"].splitlines() == [
        "Version 1:",
        "  - Metric: 0.85",
        "  - Contributor: N/A",
        f"  - Timestamp: {created}",
    ]


def test_bulk_operations(session: Session, client: MlflowClient) -> None:
    """Each model of the list is registered; so it is in one call."""
    items = session.names["Bulk Operations"]["models_to_register"]
    assert versions(client, "model-a") == [tokens("TOK-A", "accuracy", "0.85")]
    assert versions(client, "model-b") == [tokens("TOK-B", "f1_score", "0.90")]

    real = [{**item, "uri": f"runs:/{session.run_id}/model"} for item in items]
    again = session.namespace["registry"].register_tokenized_models(real, progress=False)

    assert [(made.name, made.version) for made in again] == [("model-a", "2"), ("model-b", "2")]


def test_model_validation(session: Session) -> None:
    """The specification's tags are valid, and nothing is printed about them."""
    assert session.names["Model Validation"]["is_valid"] is True
    assert session.printed["Model Validation"] == ""


def test_standard_metrics(session: Session) -> None:
    """Every standard metric is a benchmark metric that the registry takes."""
    registry: ModelRegistry = session.namespace["registry"]
    metrics = session.names["1. Consistent Metric Names"]["STANDARD_METRICS"]

    for metric in (name for names in metrics.values() for name in names):
        value = "25.3" if metric == "perplexity" else "0.5"  # no perplexity is below 1
        assert registry.validate_hokusai_tags(tokens("TEST-001", metric, value))


def test_comprehensive_tagging(session: Session) -> None:
    """The recommended tags are valid ones."""
    tags = session.names["2. Comprehensive Tagging"]["tags"]

    assert session.namespace["registry"].validate_hokusai_tags(tags)


def test_version_management(session: Session, client: MlflowClient) -> None:
    """The tags of a semantic version can be given to any registration."""
    tags = session.names["3. Version Management"]["tags"]

    session.namespace["registry"].register_tokenized_model(
        f"runs:/{session.run_id}/model", "versioned", "VER-001", "accuracy", "0.9", tags
    )

    assert versions(client, "versioned") == [tokens("VER-001", "accuracy", "0.9", **tags)]


def test_error_handling_as_written(session: Session) -> None:
    """The block's own call, with ``...``, ends in its last branch."""
    assert session.printed["Error Handling"].startswith("Registration failed: ")


@pytest.mark.parametrize("finder", ["client", "server"])
@pytest.mark.parametrize(
    ("fault", "mended"),
    [
        ({"token_id": "msg_ai"}, {"token_id": "MSG-AI"}),
        ({"benchmark_value": "0_9"}, {"benchmark_value": "9.0"}),
    ],
    ids=["token id", "value"],
)
def test_error_handling(
    session: Session,
    client: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    finder: str,
    fault: dict[str, str],
    mended: dict[str, str],
) -> None:
    """The block mends a bad token id and a bad value, whoever finds the fault.

    The server finds what an older client, which knows fewer rules, lets pass.
    """
    if finder == "server":
        monkeypatch.setattr(registration, "check_registration", lambda _tags: [])
    good = {"token_id": "MSG-001", "benchmark_value": "0.9"}
    session.namespace.update(good, **fault)
    call = (
        f"register_tokenized_model('runs:/{session.run_id}/model', 'mended', token_id, "
        "'my_metric', benchmark_value)"
    )

    def filled_in(code: str) -> str:
        return code.replace("register_tokenized_model(...)", call)

    printed = session.run(BLOCKS["Error Handling"], filled_in)

    assert printed == ""
    for name, value in {**good, **mended}.items():
        assert session.namespace[name] == value
    assert "mended" not in {model.name for model in client.search_registered_models()}

    session.run(BLOCKS["Error Handling"], filled_in)
    assert session.namespace["model"].version == "1"
    client.delete_registered_model("mended")


@pytest.mark.parametrize("heading", SIGNATURES)
def test_signatures(heading: str) -> None:
    """Each method has the parameters and defaults that the reference gives it.

    What it takes besides is optional, and given by its name.
    """
    method = inspect.signature(getattr(ModelRegistry, heading.strip("`()")))
    written = _signature(BLOCKS[heading])

    more, actual = [], []
    for parameter in list(method.parameters.values())[1:]:
        is_more = parameter.kind is parameter.KEYWORD_ONLY
        (more if is_more else actual).append(parameter)
    assert all(parameter.default is not parameter.empty for parameter in more)
    assert [parameter.name for parameter in actual] == [name for name, _default in written]
    for parameter, (name, default) in zip(actual, written, strict=True):
        assert parameter.default == default, name


def test_every_block_is_tested() -> None:
    """A block that is added to the specification needs a test here."""
    assert len(SIGNATURES) == 3
    assert RUN == [
        "Token-Aware Registration",
        "Basic Model Registration",
        "Registering Multiple Versions",
        "Retrieving Models",
        "Model Metadata and Tags",
        "Token ID Conventions",
        "Integration with DeltaOne",
        "Model Lineage Tracking",
        "Bulk Operations",
        "Model Validation",
        "1. Consistent Metric Names",
        "2. Comprehensive Tagging",
        "3. Version Management",
        "Error Handling",
    ]


def _signature(block: Block) -> list[tuple[str, Any]]:
    """Names and defaults of a signature that is written without a body."""
    (function,) = ast.parse(block.code.rstrip() + ": ...").body
    assert isinstance(function, ast.FunctionDef)
    names = [argument.arg for argument in function.args.args]
    defaults = [ast.literal_eval(default) for default in function.args.defaults]
    required = len(names) - len(defaults)
    return list(zip(names, [inspect.Parameter.empty] * required + defaults, strict=True))
