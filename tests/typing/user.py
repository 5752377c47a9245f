"""What a user writes, and the types that his mypy finds. Checked by ``test_public_api.py``."""

from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from typing_extensions import assert_type

from hokusai.core import ModelRegistry
from hokusai.entities import LineageVersion, ParentVersion, TokenizedModel
from hokusai.evaluation.deltaone_evaluator import (
    Comparison,
    Decision,
    detect_delta_one,
    explain_delta_one,
)

registry = ModelRegistry(registry_uri="http://127.0.0.1:5000")
assert_type(registry, ModelRegistry)

model = registry.register_tokenized_model(
    model_uri="runs:/1/model",
    name="model",
    token_id="IMG-001",
    benchmark_metric="accuracy",
    benchmark_value=0.9,
    tags={"contributor_address": "0x", "epochs": 3},
)
assert_type(model, TokenizedModel)
assert_type(model.version, str)
assert_type(model.token_id, str)
assert_type(model.model_version, ModelVersion)
registered: RegisteredModel = model

assert_type(registry.get_tokenized_model("model"), ModelVersion)
assert_type(registry.get_tokenized_model("model", 1), ModelVersion)
assert_type(registry.get_latest_model_version("model"), ModelVersion)
assert_type(registry.list_models_by_token("IMG-001"), list[ModelVersion])
assert_type(registry.validate_hokusai_tags({"hokusai_token_id": "IMG-001"}), bool)

for version in registry.get_model_lineage("model"):
    assert_type(version, LineageVersion)
    assert_type(version.token_id, str)
    assert_type(version.benchmark_value, str)
    assert_type(version.contributor_address, str | None)
    assert_type(version.parent, ParentVersion | None)
    plain: ModelVersion = version

assert_type(detect_delta_one("model"), bool)
assert_type(detect_delta_one("model", registry), bool)
decision = explain_delta_one("model", version="2", registry=registry)
assert_type(decision, Decision | None)
if decision is not None:
    assert_type(decision.achieved, bool)
    assert_type(decision.baseline, Comparison | None)
    assert_type(decision.improvement_pp, str | None)

item: dict[str, Any] = {"model_uri": "runs:/1/model", "name": "model"}
results = registry.register_tokenized_models([item])
assert_type(results, list[TokenizedModel | Exception])
