"""R1 to R6 at the store: what is refused, with what words, leaving nothing behind."""

from __future__ import annotations

import pytest
from support.index import assert_index_is_truth, indexed_versions
from support.refusals import refused
from support.registry import METRIC, TOKEN, VALUE, create_version, set_tag, token_tags

BAD_TOKENS = [
    "msg_ai",
    "MSGAI",
    "MSG AI",
    "123-MSG",
    "MSG-",
    "MSG--AI",
    "MSG-AI\n",
    "ＭＳＧ-AI",
    "",
]
BAD_VALUES = ["nan", "inf", "-Infinity", "0_5", " 0.5", "٣", "1e400", "high", "", "0x1"]
BAD_VALUES += ["0E-9999999999", "0e-500000000", "0e" + 60 * "9", "1e-49", "1e38"]
BAD_METRICS = ["", " accuracy", "accuracy\n", "a%", "../a", 251 * "a"]

BAD_TAGS = [
    *((TOKEN, value, "Token ID format invalid") for value in BAD_TOKENS),
    *((VALUE, value, "Benchmark value must be numeric") for value in BAD_VALUES),
    *((METRIC, value, "Benchmark metric name invalid") for value in BAD_METRICS),
]


def test_bad_tag_at_creation(store):
    """A version with an invalid required tag is not created, and neither is anything else."""
    create_version(store, tags={})
    for key, value, text in BAD_TAGS:
        with refused(store, text):
            create_version(store, tags=token_tags(**{key: value}))


def test_bad_tag_on_a_tokenised_version(store):
    """A required tag of a tokenised version is not amended to an invalid value."""
    version = create_version(store)
    for key, value, text in BAD_TAGS:
        with refused(store, text):
            set_tag(store, "model", version.version, key, value)


def test_bad_tag_on_a_pending_version(store):
    """Once the token is there each tag is checked as it is written."""
    version = create_version(store, tags={})
    set_tag(store, "model", version.version, TOKEN, "IMG-001")
    for key, value, text in BAD_TAGS:
        with refused(store, text):
            set_tag(store, "model", version.version, key, value)


def test_bad_token_on_an_ordinary_version(store):
    """An ordinary version is not given a malformed token."""
    version = create_version(store, tags={})
    for key, value, text in BAD_TAGS:
        if key == TOKEN:
            with refused(store, text):
                set_tag(store, "model", version.version, key, value)


def test_token_on_a_version_with_bad_tags(store):
    """A valid token is refused too while the tags that it would make count are invalid."""
    version = create_version(store, tags={METRIC: "a%", VALUE: "high"})
    with refused(store, "2 faults", "Benchmark metric name invalid", "must be numeric"):
        set_tag(store, "model", version.version, TOKEN, "IMG-001")


@pytest.mark.parametrize("missing", [{METRIC}, {VALUE}, {METRIC, VALUE}], ids=len)
def test_missing_tags_at_creation(store, missing):
    """A version created with a token must bring all required tags; each missing one is named."""
    tags = {key: value for key, value in token_tags().items() if key not in missing}
    create_version(store, tags={})
    with refused(store, *(f"Required tag {key} is missing" for key in missing)):
        create_version(store, tags=tags)


def test_every_fault_in_one_message(store):
    """All faults of one write are told at once, so that they can be mended at once."""
    create_version(store, tags={})
    tags = {TOKEN: "img_001", VALUE: "nan", "contributor": "alice", "contributor_address": "bob"}
    with refused(
        store,
        "4 faults",
        f"Required tag {METRIC} is missing",
        "Token ID format invalid",
        "Did you mean 'IMG-001'?",
        "Benchmark value must be numeric",
        "name different contributors",
    ):
        create_version(store, tags=tags)


@pytest.mark.parametrize("key", [TOKEN, METRIC, VALUE])
def test_required_tag_is_not_deleted(store, key):
    """A required tag of a tokenised version cannot be deleted."""
    version = create_version(store)
    with refused(store, f"Required tag {key}", "cannot be deleted"):
        store.delete_model_version_tag("model", version.version, key)


@pytest.mark.parametrize(
    ("one", "other"),
    [("contributor", "contributor_address"), ("contributor_address", "contributor")],
)
def test_contributors_that_disagree(store, one, other):
    """Two contributor tags that name different contributors are refused, at once or in turn."""
    create_version(store, tags={})
    with refused(store, "name different contributors"):
        create_version(store, tags=token_tags(contributor="alice", contributor_address="bob"))
    version = create_version(store, tags=token_tags(**{one: "alice"}))
    with refused(store, "name different contributors"):
        set_tag(store, "model", version.version, other, "bob")
    set_tag(store, "model", version.version, other, "alice")
    with refused(store, "name different contributors"):
        set_tag(store, "model", version.version, one, "bob")


def test_tokenised_version_is_not_made_a_prompt(store):
    """The mark of a prompt would take a tokenised version out of the rules' sight."""
    version = create_version(store)
    with refused(store, "cannot become a prompt"):
        set_tag(store, "model", version.version, "mlflow.prompt.is_prompt", "true")


def test_message_names_the_version(store):
    """The message says which model and version it speaks of."""
    version = create_version(store, name="my model")
    with refused(store, "Model 'my model' version 1"):
        set_tag(store, "my model", version.version, VALUE, "nan")


def test_a_refused_creation_uses_no_number(store):
    """The next version gets the number that the refused one would have had."""
    create_version(store, tags={})
    with refused(store):
        create_version(store, tags=token_tags(**{VALUE: "nan"}))
    assert int(create_version(store).version) == 2
    assert indexed_versions(store) == [("model", 2, "IMG-001")]
    assert_index_is_truth(store)


def test_ordinary_versions_and_tags_are_free(store):
    """Without a token nothing is checked: such tags are ordinary ones."""
    create_version(store, tags={VALUE: "nan", METRIC: "%", "contributor": "a"})
    set_tag(store, "model", 1, "contributor_address", "b")
    set_tag(store, "model", 1, VALUE, "high")
    store.delete_model_version_tag("model", 1, METRIC)
    assert indexed_versions(store) == []


def test_other_tags_of_a_tokenised_version_are_free(store):
    """Only the tags that the rules name are checked."""
    create_version(store, tags=token_tags(dataset_size="50000", contributor_address="0x123..."))
    set_tag(store, "model", 1, "gpu_type", "nan")
    store.delete_model_version_tag("model", 1, "dataset_size")
    store.delete_model_version_tag("model", 1, "contributor_address")
    assert indexed_versions(store) == [("model", 1, "IMG-001")]
    assert_index_is_truth(store)


def test_unknown_version(store):
    """What MLflow itself refuses keeps MLflow's own error."""
    create_version(store)
    for call in (
        lambda: set_tag(store, "model", 9, VALUE, "nan"),
        lambda: set_tag(store, "nowhere", 1, VALUE, "nan"),
        lambda: store.delete_model_version_tag("model", "9", VALUE),
    ):
        with pytest.raises(Exception, match="not found") as caught:
            call()
        assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
