"""What somebody who tries the client for the first time runs into."""

from __future__ import annotations

import pydoc
import re
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from support.registry import SOURCE, token_tags

import hokusai.core
import hokusai.entities
import hokusai.errors
import hokusai.lineage
import hokusai.registering
from hokusai.core import ModelRegistry
from hokusai.evaluation import deltaone_evaluator


def models(registry: ModelRegistry) -> set[str]:
    client = MlflowClient(registry.tracking_uri, registry.registry_uri)
    return {model.name for model in client.search_registered_models(max_results=1000)}


@pytest.mark.parametrize(
    "source", ["runs:/nope/model", "models:/m-nope", "models:/nope/1", "models:/"]
)
def test_source_that_is_not_there(registry, new_name, new_token, source) -> None:
    """It is found out before the registered model is made."""
    before = models(registry)
    with pytest.raises(MlflowException):
        registry.register_tokenized_model(source, new_name("m"), new_token, "accuracy", "0.5")
    assert models(registry) == before


def test_path_that_the_run_has_not(registry, new_name, new_token) -> None:
    """Found out later than that, the model that was made for it is removed."""
    with mlflow.start_run() as run:
        pass
    uri, name = f"runs:/{run.info.run_id}/nope", new_name("m")
    with pytest.raises(MlflowException):
        registry.register_tokenized_model(uri, name, new_token, "accuracy", "0.5")
    assert name not in models(registry)


def test_model_that_was_there_stays(registry, new_name, new_token) -> None:
    """A failed registration removes no model that it has not made."""
    name = new_name("m")
    MlflowClient(registry.tracking_uri, registry.registry_uri).create_registered_model(name)
    with pytest.raises(MlflowException):
        registry.register_tokenized_model("runs:/nope/m", name, new_token, "accuracy", "0.5")
    assert name in models(registry)


def test_model_that_another_has_used(
    registry, new_name, new_token, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that another client registered meanwhile keeps the model."""
    name = new_name("m")
    client = MlflowClient(registry.tracking_uri, registry.registry_uri)

    def fail(*_args: Any, **_kwargs: Any) -> None:
        client.create_model_version(name, SOURCE, tags=token_tags(), await_creation_for=0)
        raise MlflowException("The connection was lost.")

    monkeypatch.setattr(hokusai.registering, "_create_version", fail)
    with pytest.raises(MlflowException, match="lost"):
        registry.register_tokenized_model(SOURCE, name, new_token, "accuracy", "0.5")
    assert name in models(registry)


def test_validation_knows_what_registration_knows(registry, new_name, new_token) -> None:
    """Both ask the registry's catalogue: accuracy is a fraction."""
    tags = token_tags(hokusai_token_id=new_token, benchmark_value="92")
    assert registry.validate_hokusai_tags(tags) is False
    with pytest.raises(ValueError, match="92"):
        registry.register_tokenized_model(SOURCE, new_name("m"), new_token, "accuracy", "92")
    assert registry.validate_hokusai_tags({**tags, "benchmark_value": 0.92}) is True
    assert registry.validate_hokusai_tags({**tags, "benchmark_value": None}) is False


@pytest.mark.parametrize("tags", [None, ["a"], "a", 5])
def test_validation_of_no_tags(registry, tags) -> None:
    """What is no dict is a mistake of the caller, not an invalid set of tags."""
    with pytest.raises(ValueError, match=r"tags is .*Give a dict"):
        registry.validate_hokusai_tags(tags)


def test_nothing_is_sent(registry, new_name, new_token) -> None:
    """None is refused before anything is registered."""
    before = models(registry)
    with pytest.raises(ValueError, match="benchmark_metric is None"):
        registry.register_tokenized_model(SOURCE, new_name("m"), new_token, None, "0.5")
    with pytest.raises(ValueError, match="Tag contributor_address is None"):
        registry.register_tokenized_model(
            SOURCE, new_name("m"), new_token, "accuracy", "0.5", {"contributor_address": None}
        )
    assert models(registry) == before


CALLS = [
    ("register_tokenized_model", (None, "m", "IMG-001", "accuracy", "0.5"), "model_uri"),
    ("register_tokenized_model", (SOURCE, None, "IMG-001", "accuracy", "0.5"), "name"),
    ("get_tokenized_model", (None,), "name"),
    ("get_tokenized_model", ("m", b"1"), "version"),
    ("list_models_by_token", (None,), "token_id"),
    ("list_models_by_token", (["IMG-001"],), "token_id"),
    ("get_latest_model_version", (5,), "name"),
    ("get_model_lineage", (None,), "name"),
    ("register_tokenized_models", ("runs:/1/model",), "items"),
    ("register_tokenized_models", (None,), "items"),
    ("ask", (None,), "route"),
    ("every", (None, "tokens"), "route"),
]


@pytest.mark.parametrize(("method", "arguments", "name"), CALLS)
def test_arguments_of_another_type(registry, method, arguments, name) -> None:
    """Each is a ``ValueError`` that names the argument."""
    with pytest.raises(ValueError, match=f"^{name} is "):
        getattr(registry, method)(*arguments)


@pytest.mark.parametrize("item", ["runs:/1/model", None, 5, ["a"]])
def test_bulk_items_that_are_none(registry, item) -> None:
    """One result per item, also for one that is no dict."""
    (found,) = registry.register_tokenized_models([item], progress=False)
    assert isinstance(found, ValueError)
    assert "The item is" in str(found)


def test_lineage_as_a_table(registry, new_name, new_token) -> None:
    """Points are beside what they were measured against; text contributors and times show."""
    first, second = new_name("first"), new_name("second")
    for name, value, who in ((first, "0.5", "Ada"), (second, "0.4", "Bob"), (second, "0.6", "Cy")):
        registry.register_tokenized_model(
            SOURCE, name, new_token, "accuracy", value, {"contributor": who}
        )
    lineage = registry.get_model_lineage(second)

    frame = lineage.to_pandas()
    assert list(frame["measured_against"]) == [f"{first} v1", f"{first} v1"]
    assert list(frame["parent"].fillna("")) == ["", f"{second} v1"]
    assert list(frame["contributor"]) == ["Bob", "Cy"]
    page = lineage._repr_html_()
    assert "<th>measured against</th>" in page
    assert "<td>Bob</td>" in page
    assert str(lineage[0].creation_timestamp) not in page
    assert f"<td>{frame['creation_timestamp'][0]:%Y-%m-%d %H:%M:%S}</td>" in page
    assert repr(lineage[1]) == (
        f"<LineageVersion {second!r} version 2: {new_token} accuracy 0.6, achieved>"
    )


def test_ticks_are_versions(registry, new_name, new_token) -> None:
    """Also where there is only one."""
    name = new_name("model")
    registry.register_tokenized_model(SOURCE, name, new_token, "accuracy", "0.5")
    axes = registry.get_model_lineage(name).plot()
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]
    with pytest.raises(ValueError, match=r"no-such.* It has: accuracy"):
        registry.get_model_lineage(name).plot("no-such")


def test_registry_shows_where_it_is(registry) -> None:
    """Without the password."""
    assert registry.registry_uri in repr(registry)
    hidden = ModelRegistry("https://me:s3cret@example.org", registry.tracking_uri)
    assert "https://example.org" in repr(hidden)
    assert "s3cret" not in repr(hidden)


@pytest.mark.parametrize("module", [hokusai.core, hokusai.errors, deltaone_evaluator])
def test_completion_shows_no_internals(module) -> None:
    """What is offered is what is documented."""
    assert dir(module) == sorted(module.__all__)


@pytest.mark.parametrize(
    "module", [hokusai.core, hokusai.errors, hokusai.entities, hokusai.lineage, deltaone_evaluator]
)
def test_docstrings_cite_no_rule(module) -> None:
    """Whoever asks for help has not read the rules by their numbers."""
    for name in module.__all__:
        assert re.search(r"\bR[1-9]\d?\b|design", pydoc.render_doc(getattr(module, name))) is None
