"""R3 and R8: a metric has one canonical name, and nothing that looks like it passes for another."""

from __future__ import annotations

from collections import Counter

import pytest

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue, Direction, Metric
from hokusai_mlflow_plugin.domain.tags import Context, Write, check_registration, check_write
from hokusai_mlflow_plugin.domain.tags import token_tags as tokenised
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG
from hokusai_mlflow_plugin.metrics_file import read_metrics_file

TAGS = {"hokusai_token_id": "IMG-001", "benchmark_metric": "accuracy", "benchmark_value": "0.85"}
OPEN = Context(catalogue=BUILT_IN)
CLOSED = Context(catalogue=Catalogue(BUILT_IN.metrics, closed=True))


def codes(violations):
    return [violation.code for violation in violations]


def named(metric):
    return {**TAGS, "benchmark_metric": metric}


@pytest.mark.parametrize(
    ("alias", "canonical"),
    [
        ("accuracy_score", "accuracy"),
        ("f1", "f1_score"),
        ("root_mean_squared_error", "rmse"),
        ("mean_absolute_error", "mae"),
        ("r2", "r2_score"),
        ("auc", "roc_auc"),
        ("roc_auc_score", "roc_auc"),
        ("rouge1/v1/mean", "rouge1"),
        ("ndcg_at_3/mean", "ndcg_at_3"),
        ("accuracy", "accuracy"),
        ("uplift", "uplift"),
    ],
)
def test_canonical_name(alias, canonical):
    """All of a metric's names are one metric; the tags of a version are read by it."""
    assert BUILT_IN.canonical(alias) == canonical
    assert tokenised(named(alias), OPEN).benchmark_metric == canonical


def test_no_name_twice():
    """No two metrics of the catalogue share a name."""
    names = Counter(name for metric in BUILT_IN.metrics for name in metric.names)
    assert max(names.values()) == 1
    assert set(names) == set(BUILT_IN)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_names_of_the_catalogue_are_no_look_alikes(name):
    """What the catalogue itself says is never refused, however much it looks like another."""
    tags = {**named(name), BENCHMARK_VALUE_TAG: "1" if BUILT_IN[name].upper != 0 else "0"}
    assert codes(check_registration(tags, CLOSED)) == []


LOOK_ALIKES = {
    **dict.fromkeys(["Accuracy", "ACCURACY", "accuracy.", "accu-racy", "accuracy_"], "accuracy"),
    **dict.fromkeys(
        ["ａｃｃｕｒａｃｙ", "aсcuracy", "аccurасy", "áccuracy", "accuracy\u200b"], "accuracy"
    ),
    **dict.fromkeys(["F1", "F1 Score", "f1-score", "fl_score"], "f1_score"),
    **dict.fromkeys(["RMSE", "Root Mean Squared Error", "rmse:"], "rmse"),
    **dict.fromkeys(["AUC", "ROC AUC", "roc-auc"], "roc_auc"),
    **dict.fromkeys(["preclslon", "precis1on", "PRECISION"], "precision"),
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_look_alike(name):
    """Case, separators and letters that look alike make no other metric; the message says which."""
    (fault,) = check_registration(named(name), OPEN)
    assert fault.code in ("benchmark_metric_look_alike", "benchmark_metric_invalid")
    assert f"id you mean `{LOOK_ALIKES[name]}`?" in fault.message


@pytest.mark.parametrize(("name", "meant"), [("Top1", "top1"), ("TopL", "topl"), ("topi", "topl")])
def test_the_nearer_look_counts(name, meant):
    """Where two metrics look alike, a name is the one that it differs from by case alone."""
    metrics = [
        Metric(each, "ranking", Direction.MAXIMIZE, "proportion") for each in ("top1", "topl")
    ]
    found = Catalogue(metrics).meant_by(name)
    assert found is not None
    assert found.name == meant


@pytest.mark.parametrize("name", ["genauigkeit", "accuracy2", "my_accuracy", "score", "1"])
def test_other_names(name):
    """Another name is another metric; only a closed catalogue refuses it."""
    assert check_registration(named(name), OPEN) == []
    assert codes(check_registration(named(name), CLOSED)) == ["benchmark_metric_unknown"]


@pytest.mark.parametrize("name", ["genauigkeit_ü", "准确率", "accuracy ", "a" * 251, ""])
def test_not_ascii(name):
    """R3: ASCII, no white space at the ends, 1 to 250 characters."""
    assert codes(check_registration(named(name), OPEN)) == ["benchmark_metric_invalid"]


def test_a_look_alike_that_is_there_counts_as_the_metric():
    """Only writing the name is refused: what is there already stays, in the metric's series."""
    tags = named("Accuracy")
    assert tokenised(tags, CLOSED).benchmark_metric == "accuracy"
    amended = Write(tags, {BENCHMARK_VALUE_TAG}, was_tokenised=True, was_complete=True)
    assert check_write(amended, CLOSED) == []
    renamed = Write(tags, {"benchmark_metric"}, was_tokenised=True, was_complete=True)
    assert codes(check_write(renamed, CLOSED)) == ["benchmark_metric_look_alike"]


@pytest.mark.parametrize("key", TAGS)
def test_a_look_alike_cannot_be_completed(key):
    """Whichever required tag comes last, the version does not become one of a look-alike."""
    completed = Write(named("Accuracy"), {key})
    assert codes(check_write(completed, OPEN)) == ["benchmark_metric_look_alike"]


def test_a_look_alike_is_held_to_bounds():
    """A percentage is no accuracy, whatever the name is spelt like."""
    tags = {**named("Accuracy"), BENCHMARK_VALUE_TAG: "85"}
    assert tokenised(tags, OPEN) is None


def test_aliases_in_the_metrics_file(tmp_path):
    """A metric of the file, and a built-in one, can be given further names."""
    file = tmp_path / "metrics.toml"
    file.write_text(
        '[metrics.uplift]\ndirection = "maximize"\naliases = ["lift", "Uplift"]\n'
        '[metrics.f1]\naliases = ["F1"]\n'
    )
    catalogue = Catalogue(read_metrics_file("X", file).values())
    assert catalogue.canonical("Uplift") == catalogue.canonical("lift") == "uplift"
    assert catalogue["F1"].names == ("f1_score", "f1", "F1")


@pytest.mark.parametrize(
    "text",
    [
        '[metrics.Accuracy]\ndirection = "maximize"',
        '[metrics.uplift]\ndirection = "maximize"\naliases = ["mae"]',
        '[metrics.uplift]\ndirection = "maximize"\naliases = ["R.M.S.E"]',
        '[metrics.a]\ndirection = "maximize"\n[metrics.A]\ndirection = "maximize"',
        "[metrics.f1]\nunit = 'x'\n[metrics.f1_score]\nunit = 'y'",
        '[metrics.a]\ndirection = "maximize"\naliases = ["é"]',
    ],
)
def test_two_metrics_of_one_name(tmp_path, text):
    """A file that would have one metric paid for under two names is refused."""
    file = tmp_path / "metrics.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"line [0-9]"):
        read_metrics_file("X", file)
