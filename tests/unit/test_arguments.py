"""What callers give the client is what is written, or a clear refusal: never ``str(None)``."""

from __future__ import annotations

import enum
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from hokusai import arguments
from hokusai.errors import NotTokenAware, RequestRefused
from hokusai.evaluation.deltaone_evaluator import detect_delta_one, explain_delta_one
from hokusai.lineage import Lineage
from hokusai.registration import registration_tags
from hokusai.transport import store_uri

NO_TEXT = [None, 5, 0.5, True, b"IMG-001", ["IMG-001"], {"a": 1}, object]


class Metric(str, enum.Enum):
    ACCURACY = "accuracy"


def tags(**others):
    given = {"token_id": "IMG-001", "benchmark_metric": "accuracy", "benchmark_value": "0.85"}
    return registration_tags(**{**given, "tags": None, **others})


@pytest.mark.parametrize("value", NO_TEXT, ids=repr)
@pytest.mark.parametrize("name", ["token_id", "benchmark_metric"])
def test_required_text(name, value):
    """Only text is a token or a metric, and the message says which argument it is."""
    with pytest.raises(ValueError, match=rf"{name} is .*Give text") as refused:
        tags(**{name: value})
    assert "faults" not in str(refused.value)


@pytest.mark.parametrize("value", [None, True, b"1", [0.85], {}, Fraction(1, 3), np.bool_(True)])
def test_values_that_are_none(value):
    """Neither text nor a number that is written exactly."""
    with pytest.raises(ValueError, match=r"benchmark_value is .*Give text or a number"):
        tags(benchmark_value=value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (Decimal("0.850"), "0.850"),
        (np.float64(0.85), "0.85"),
        (np.float32(0.85), "0.8500000238418579"),
        (np.int64(3), "3"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("argument", [True, False])
def test_numbers(value, text, argument):
    """A number is written as MLflow logs it, whether it is an argument or a tag of another name."""
    if argument:
        assert tags(benchmark_value=value)["benchmark_value"] == text
    else:
        assert tags(tags={"loss": value})["loss"] == text


def test_huge_number():
    """Its digits are not written down to find that they are too many."""
    with pytest.raises(ValueError, match="benchmark_value is too long a number"):
        tags(benchmark_value=10**10_000)


@pytest.mark.parametrize("value", [None, b"Ada", ["Ada"], {"Ada": 1}, object], ids=repr)
def test_tag_values(value):
    """A tag is text, a number or a truth value."""
    with pytest.raises(ValueError, match=r"Tag team is .*Give text or a number"):
        tags(tags={"team": value})


@pytest.mark.parametrize("key", ["contributor_address", "contributor", "contributors"])
@pytest.mark.parametrize("value", [None, 0x742D35CC, [{"address": "0x1", "weight": 1}]], ids=repr)
def test_contributors_are_text(key, value):
    """A reward can be paid to no other thing; a list is written as JSON."""
    remedy = "json.dumps" if isinstance(value, list) else "Give text"
    with pytest.raises(ValueError, match=f"Tag {key} is .*{remedy}"):
        tags(tags={key: value})


@pytest.mark.parametrize("given", [["a"], "a", 5, [("a", "b")]], ids=repr)
def test_tags_are_a_dict(given):
    """Nothing else has keys and values."""
    with pytest.raises(ValueError, match=r"tags is .*Give a dict"):
        tags(tags=given)


def test_keys_are_text():
    """A key that is no text would be another one when it is read again."""
    with pytest.raises(ValueError, match="A key of the tags is 5"):
        tags(tags={5: "a"})


def test_every_fault_at_once():
    """What cannot be used and what breaks a rule are one message."""
    with pytest.raises(RequestRefused, match="3 faults") as refused:
        tags(token_id=None, benchmark_value="high", tags={"team": None})
    for part in ("token_id is None", "must be numeric: 'high'", "Tag team is None"):
        assert part in str(refused.value)


def test_enumerations_of_text():
    """Their value counts, not their name."""
    assert tags(benchmark_metric=Metric.ACCURACY)["benchmark_metric"] == "accuracy"
    assert arguments.text("name", Metric.ACCURACY) == "accuracy"


@pytest.mark.parametrize("version", ["", "latest", "0", 0, -1, 1.5, True, b"1", [1], "²"], ids=repr)
def test_versions_are_numbers(version):
    """Before anything is asked."""
    with pytest.raises(ValueError, match=r"version is .*Give the number"):
        explain_delta_one("model", version)


def test_registry_is_one():
    """A URI in its place is said to be none."""
    with pytest.raises(ValueError, match="Give a ModelRegistry"):
        detect_delta_one("model", "http://127.0.0.1:5000")
    with pytest.raises(ValueError, match="name is None"):
        detect_delta_one(None)


@pytest.mark.parametrize("items", [None, "uri", {"uri": "runs:/1/model"}, 5], ids=repr)
def test_items_are_a_list(items):
    """Not one item, and no text, which has letters for items."""
    with pytest.raises(ValueError, match=r"items is .*Give a list"):
        arguments.iterable("items", items)


def test_unknown_driver():
    """MLflow would quote the URI, and not say which drivers there are."""
    with pytest.raises(NotTokenAware) as found:
        store_uri("postgresql+asyncpg://user:s3cret@host/x", "sqlite:///mlflow.db")
    assert "postgresql+psycopg" in str(found.value)
    assert "s3cret" not in str(found.value)


def test_plot_of_nothing():
    """A lineage without versions has nothing to draw, and the sentence says so."""
    with pytest.raises(ValueError, match="'model' has no tokenised version to draw"):
        Lineage("model").plot()
