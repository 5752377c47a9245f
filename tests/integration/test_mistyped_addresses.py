"""R11: an address that was mistyped is refused before money follows it, on every path."""

from __future__ import annotations

import json

import pytest
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from support.index import assert_index_is_truth
from support.refusals import refused
from support.registry import METRIC, TOKEN, VALUE, create_version, set_tag, token_tags
from support.rewards import events, outcomes

from hokusai_mlflow_plugin.domain.addresses import ZERO_ADDRESS
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.services.queries.findings import list_findings

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
HINT = f"Did you mean '{ADDRESS}'?"
MISTYPED = [f" {ADDRESS}", f"{ADDRESS} ", f"{ADDRESS}\n", "0X" + ADDRESS[2:], ADDRESS[2:]]
KEYS = ["contributor_address", "contributor"]


def conforms_not(store):
    """The codes of what does not conform, and how many differences there are."""
    reports = list(maintenance.verify(store.engine, BUILT_IN))
    codes = [v.code for r in reports for each in r.nonconforming for v in each.violations]
    return codes, sum(len(report.differences) for report in reports)


@pytest.mark.parametrize("key", KEYS)
def test_at_creation_and_later(store, key):
    """By creation, by amendment and on a pending version it is refused, with what was meant."""
    create_version(store)
    create_version(store, tags={})
    set_tag(store, "model", 2, TOKEN, "IMG-001")
    for text in MISTYPED:
        with refused(store, HINT):
            create_version(store, tags=token_tags(**{key: text}))
        for version in (1, 2):
            with refused(store, HINT):
                set_tag(store, "model", version, key, text)
    shares = [{"address": MISTYPED[0], "weight": 10_000}]
    with refused(store, f"did you mean '{ADDRESS}'?"):
        create_version(store, tags=token_tags(contributors=json.dumps(shares)))


def test_before_the_token(store):
    """On an ordinary version it is an ordinary tag; the token then answers for it."""
    create_version(store, tags={"contributor": MISTYPED[0], VALUE: "0.9", METRIC: "accuracy"})
    with refused(store, HINT):
        set_tag(store, "model", 1, TOKEN, "IMG-001")
    set_tag(store, "model", 1, "contributor", ADDRESS)
    set_tag(store, "model", 1, TOKEN, "IMG-001")
    assert_index_is_truth(store)


def test_what_can_be_kept(store):
    """Other text and the zero address are kept, and paid to nobody."""
    create_version(store)
    for step, text in enumerate(["0x123...", "alice", ZERO_ADDRESS]):
        create_version(store, tags=token_tags(contributor=text, **{VALUE: f"0.{90 + 2 * step}"}))
    payees = [each["data"]["contributors"][0] for each in events(store)]
    assert [(each["payable"], each["address"]) for each in payees] == 3 * [(False, None)]
    assert_index_is_truth(store)


@pytest.fixture
def old_data(stock_database_uri):
    """MLflow's own store with two versions from before the plugin, both mistyped in both tags."""
    old = SqlAlchemyStore(stock_database_uri)
    for value in ("0.85", "0.80"):
        tags = token_tags(**{VALUE: value}, **dict(zip(KEYS, MISTYPED, strict=False)))
        create_version(old, tags=tags)


def test_old_data(old_data, store):
    """From before the plugin it is tokenised as any, is reported, and pays nobody."""
    assert_index_is_truth(store)
    assert conforms_not(store) == (4 * ["contributor_mistyped"], 0)


@pytest.mark.parametrize("key", KEYS)
def test_old_data_is_mended(old_data, store, key):
    """Either tag can be mended or deleted first; before that nothing else can be written."""
    other = KEYS[1 - KEYS.index(key)]
    with refused(store, HINT):
        set_tag(store, "model", 2, VALUE, "0.99")
    set_tag(store, "model", 2, key, ADDRESS)
    with refused(store, HINT):
        set_tag(store, "model", 2, VALUE, "0.99")
    store.delete_model_version_tag("model", "2", other)
    set_tag(store, "model", 2, VALUE, "0.99")
    assert conforms_not(store) == (2 * ["contributor_mistyped"], 0)
    assert_index_is_truth(store)


def test_old_data_loses_a_tag(old_data, store):
    """A mistyped tag can be deleted while the other is still there."""
    for key in KEYS:
        store.delete_model_version_tag("model", "2", key)
    assert conforms_not(store) == (2 * ["contributor_mistyped"], 0)


def test_under_the_audit_policy(store_factory):
    """It passes, is on record and out of the index until it is mended: nothing is earned for it."""
    store = store_factory(HOKUSAI_POLICY="audit")
    create_version(store)
    create_version(store, tags=token_tags(contributor=MISTYPED[0], **{VALUE: "0.95"}))
    (finding,) = store.ask(list_findings)["findings"]
    assert (finding["version"], finding["codes"]) == ("2", ["contributor_mistyped"])
    assert events(store) == []
    assert conforms_not(store) == (["contributor_mistyped"], 0)
    store.set_model_version_tag("model", "2", ModelVersionTag("contributor", ADDRESS))
    assert store.ask(list_findings)["findings"] == []
    assert_index_is_truth(store)


def test_a_pending_version_is_not_completed(store_factory):
    """What would complete a version answers for an address that was mistyped under audit."""
    audited = store_factory(HOKUSAI_POLICY="audit")
    tags = {TOKEN: "IMG-001", METRIC: "accuracy"}
    create_version(audited, tags={})
    for key, value in {**tags, "contributor": MISTYPED[0]}.items():
        set_tag(audited, "model", 1, key, value)
    staged = store_factory(HOKUSAI_POLICY="staged")
    with refused(staged, HINT):
        set_tag(staged, "model", 1, VALUE, "0.9")
    set_tag(staged, "model", 1, "contributor", ADDRESS)
    set_tag(staged, "model", 1, VALUE, "0.9")
    assert outcomes(staged) == ["baseline"]
