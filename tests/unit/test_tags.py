"""R5: what a write to a version's tags commits."""

from __future__ import annotations

import itertools

import pytest
from support.registry import METRIC, PROMPT, TOKEN, VALUE, token_tags

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.tags import Context, Write, check_registration, check_write
from hokusai_mlflow_plugin.domain.tags import token_tags as read_token_tags

STAGED = Context(catalogue=BUILT_IN)
STRICT = Context(catalogue=BUILT_IN, strict=True)
ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
BAD = token_tags(**{TOKEN: "img_001", METRIC: "a%", VALUE: "nan"})


def without(*keys: str, **others: str) -> dict[str, str]:
    return {key: value for key, value in token_tags(**others).items() if key not in keys}


def codes(write: Write, context: Context = STAGED) -> list[str]:
    return [violation.code for violation in check_write(write, context)]


CREATED = [
    (token_tags(), []),
    (token_tags(anything="else", previous_version="x"), []),
    ({}, []),
    ({"a": "b"}, []),
    # Without a token the other two are ordinary tags.
    ({METRIC: "a%", VALUE: "high"}, []),
    ({"contributor": "alice", "contributor_address": "bob"}, []),
    # With one, all three are needed, and every fault is told.
    (without(VALUE), ["required_tag_missing"]),
    (without(METRIC, VALUE), ["required_tag_missing", "required_tag_missing"]),
    (BAD, ["token_id_invalid", "benchmark_metric_invalid", "benchmark_value_invalid"]),
    ({TOKEN: ""}, ["required_tag_missing", "required_tag_missing", "token_id_invalid"]),
    (token_tags(contributor="a", contributor_address="b"), ["contributor_conflict"]),
    (token_tags(contributor="0x123..."), []),
    (token_tags(**{VALUE: "1.01"}), ["benchmark_value_out_of_bounds"]),
    (token_tags(**{METRIC: "loss", VALUE: "1e6"}), []),
    (token_tags(benchmark_direction="maximize"), []),
    (token_tags(benchmark_direction="minimize"), ["benchmark_direction_conflict"]),
    (token_tags(**{METRIC: "loss"}, benchmark_direction="minimize"), []),
    (token_tags(benchmark_direction="up"), ["benchmark_direction_invalid"]),
    # Prompts are never looked at.
    ({**BAD, PROMPT: "true"}, []),
    ({**BAD, PROMPT: "True"}, []),
    (
        {**BAD, PROMPT: "false"},
        ["token_id_invalid", "benchmark_metric_invalid", "benchmark_value_invalid"],
    ),
]


@pytest.mark.parametrize(("tags", "expected"), CREATED, ids=range(len(CREATED)))
def test_creation(tags, expected):
    """A version created with a token brings all three required tags, valid; others are free."""
    assert codes(Write(tags, created=True)) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, ["version_not_tokenised"]),
        ({METRIC: "accuracy", VALUE: "0.9"}, ["version_not_tokenised"]),
        ({PROMPT: "true"}, []),
        (token_tags(), []),
        (without(VALUE), ["required_tag_missing"]),
    ],
)
def test_creation_under_the_strict_policy(tags, expected):
    """Besides, every new version must be tokenised, prompts excepted."""
    assert codes(Write(tags, created=True), STRICT) == expected


def test_strict_policy_says_what_it_wants():
    """The refusal is about the token's tag, and names the setting and all three tags."""
    (violation,) = check_write(Write({}, created=True), STRICT)
    assert violation.key == TOKEN
    assert "(HOKUSAI_POLICY=strict)" in violation.message
    assert f"create the version with the tags {TOKEN}, {METRIC}, {VALUE}." in violation.message


def test_strict_policy_leaves_older_versions_alone():
    """Tags of an untokenised version from before the policy can still be written."""
    assert codes(Write({METRIC: "x"}, {METRIC}), STRICT) == []


@pytest.mark.parametrize("order", list(itertools.permutations(token_tags())))
def test_single_tags_in_any_order(order):
    """Valid required tags may be added one at a time in each of the six orders."""
    for count in range(1, 4):
        tags = {key: token_tags()[key] for key in order[:count]}
        assert codes(Write(tags, {order[count - 1]})) == []


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (TOKEN, "img_001", "token_id_invalid"),
        (METRIC, " accuracy", "benchmark_metric_invalid"),
        (VALUE, "nan", "benchmark_value_invalid"),
        (VALUE, "2", "benchmark_value_out_of_bounds"),
        ("benchmark_direction", "minimize", "benchmark_direction_conflict"),
    ],
)
@pytest.mark.parametrize("pending", [True, False])
def test_invalid_tag_with_a_token(key, value, code, pending):
    """Once the token is there each tag is checked as it is written, complete or not."""
    tags = token_tags(**{key: value})
    if pending:
        tags.pop(VALUE if key != VALUE else "nothing", None)
        assert codes(Write(tags, {key})) == [code]
    else:
        assert codes(Write(tags, {key}, was_tokenised=True)) == [code]


def test_token_answers_for_what_is_there():
    """Giving a version its token is refused while the other tags are invalid, each one told."""
    assert codes(Write(BAD, {TOKEN})) == [
        "token_id_invalid",
        "benchmark_metric_invalid",
        "benchmark_value_invalid",
    ]


@pytest.mark.parametrize("key", [METRIC, VALUE, TOKEN])
def test_old_faults_can_be_mended_one_at_a_time(key):
    """A version from before the plugin answers only for the tag that is written."""
    tags = {**BAD, key: token_tags()[key]}
    expected = [] if key != TOKEN else ["benchmark_metric_invalid", "benchmark_value_invalid"]
    assert codes(Write(tags, {key})) == expected


def test_pending_tags_can_be_deleted():
    """A tag of a pending version can be taken away again, its token too."""
    assert codes(Write({TOKEN: "IMG-001"}, {METRIC})) == []
    assert codes(Write({METRIC: "accuracy"}, {TOKEN})) == []


@pytest.mark.parametrize("key", [TOKEN, METRIC, VALUE])
def test_required_tag_is_amended_not_deleted(key):
    """A required tag of a tokenised version takes another valid value, but is not deleted."""
    (violation,) = check_write(Write(without(key), {key}, was_tokenised=True), STAGED)
    assert (violation.code, violation.key) == ("required_tag_deleted", key)
    other = token_tags(**{TOKEN: "IMG-002", METRIC: "f1_score", VALUE: "0.9"})
    assert codes(Write(other, {key}, was_tokenised=True)) == []


def test_tokenised_version_cannot_become_a_prompt():
    """Marking a tokenised version as a prompt would take it out of the rules' sight."""
    write = Write(token_tags(**{PROMPT: "true"}), {PROMPT}, was_tokenised=True)
    assert codes(write) == ["tokenised_version_as_prompt"]


def test_prompt_cannot_become_an_invalid_version():
    """A prompt that loses its mark answers for its tags like a version that is given a token."""
    assert codes(Write(BAD, {PROMPT})) != []
    assert codes(Write(token_tags(), {PROMPT})) == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("contributor", "contributor_address", ["contributor_conflict"]),
        ("contributor_address", "contributor", ["contributor_conflict"]),
    ],
)
@pytest.mark.parametrize("tokenised", [True, False])
def test_contributor_conflict(one, other, expected, tokenised):
    """The tag that makes two contributor tags disagree is refused, whichever comes second."""
    tags = token_tags(**{one: ADDRESS, other: "alice"})
    if not tokenised:
        del tags[VALUE]
    assert codes(Write(tags, {other}, was_tokenised=tokenised)) == expected


@pytest.mark.parametrize(
    ("model_token", "expected"),
    [(None, []), ("IMG-001", []), ("IMG-002", ["token_id_differs_from_model"])],
)
def test_token_of_the_model(model_token, expected):
    """Versions of a model that carries a token may carry only that one."""
    context = Context(model_token)
    assert codes(Write(token_tags(), created=True), context) == expected
    assert codes(Write({TOKEN: "IMG-001"}, {TOKEN}), context) == expected
    assert codes(Write(token_tags(), {TOKEN}, was_tokenised=True), context) == expected


@pytest.mark.parametrize(
    ("tags", "tokenised"),
    [
        (token_tags(), True),
        (token_tags(contributor="alice"), True),
        (without(TOKEN), False),
        (without(METRIC), False),
        (without(VALUE), False),
        (token_tags(**{PROMPT: "true"}), False),
        (token_tags(**{TOKEN: "img_001"}), False),
        (token_tags(**{METRIC: ""}), False),
        (token_tags(**{VALUE: "1e400"}), False),
        (token_tags(contributor="alice", contributor_address="bob"), False),
        ({}, False),
    ],
    ids=range(11),
)
def test_truth(tags, tokenised):
    """A version is tokenised when its required tags are all there and all its tags are valid."""
    found = read_token_tags(tags, STAGED)
    assert (found is not None) is tokenised
    if found is not None:
        assert (found.token_id, found.benchmark_metric) == ("IMG-001", "accuracy")
        assert found.benchmark_value == "0.85"


def test_model_token_decides_about_the_truth():
    """A version with another token than its model's is not tokenised."""
    assert read_token_tags(token_tags(), Context("IMG-002")) is None


def test_value_is_kept_as_it_was_written():
    """The index repeats the tag's own string."""
    assert read_token_tags(token_tags(**{VALUE: "+8.50e-1"}), STAGED).benchmark_value == "+8.50e-1"


def test_registration_needs_a_token():
    """``tags/validate`` and the client take tags for those of a tokenised version, always."""
    assert [v.key for v in check_registration({})] == [TOKEN, METRIC, VALUE]
    assert check_registration(token_tags()) == []
    (prompt,) = check_registration(token_tags(**{PROMPT: "true"}))
    assert prompt.code == "tokenised_version_as_prompt"
