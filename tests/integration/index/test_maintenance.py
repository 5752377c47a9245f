"""R7 and R13: verify names each difference between tags and index, rebuild repairs it."""

from __future__ import annotations

import pytest
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from support.damage import (
    change_tag,
    damage_version,
    decisions_in_force,
    delete_tag,
    run_sql,
)
from support.index import assert_index_is_truth, indexed_rows, indexed_versions
from support.registry import (
    METRIC,
    PROMPT,
    TOKEN,
    VALUE,
    create_model,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)

from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.services.index.maintenance import Kind

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"


def named(reports):
    """Name, version, kind and differing columns of each difference of a scan, in its order."""
    return [
        (found.id.name, found.id.version, found.kind, {c.column: c.found for c in found.columns})
        for report in reports
        for found in report.differences
    ]


def verify(store, batch_size=maintenance.BATCH_SIZE):
    return named(maintenance.verify(store.engine, store.settings.catalogue, batch_size))


def rebuild(store, batch_size=maintenance.BATCH_SIZE):
    return named(maintenance.rebuild(store.engine, store.settings.catalogue, batch_size))


def delete_version(store):
    """As a program does that knows MLflow's tables only."""
    for table in ("model_version_tags", "model_versions"):
        damage_version(store, f"DELETE FROM {table}", "model", 2)


def soft_delete_version(store):
    damage_version(
        store, "UPDATE model_versions SET current_stage = 'Deleted_Internal'", "model", 2
    )


def delete_model(store):
    for table in ("model_version_tags", "model_versions", "registered_models"):
        run_sql(store, f"DELETE FROM {table} WHERE name = 'model'")


def turn_into_prompt(store):
    set_tag(SqlAlchemyStore(str_uri(store)), "model", 2, PROMPT, "true")


def give_model_another_token(store):
    set_model_tag(SqlAlchemyStore(str_uri(store)), "model", TOKEN, "SENT-002")


def str_uri(store):
    return store.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def registry(store):
    """Two models with three versions and one; nothing differs yet."""
    create_version(store, tags=token_tags(**{VALUE: "0.5"}))
    create_version(store, tags=token_tags(**{VALUE: "0.6"}, contributor=ADDRESS))
    create_version(store, tags={"owner": "me", VALUE: "0.9"})
    create_version(store, "other", tags=token_tags(**{TOKEN: "SENT-001", METRIC: "loss"}))
    return store


def test_nothing_differs_after_writes(registry):
    """What the plugin itself wrote is never reported, and rebuild leaves it as it is."""
    with registry.engine.connect() as connection:
        before = decisions_in_force(connection)
    assert verify(registry) == []
    assert rebuild(registry) == []
    with registry.engine.connect() as connection:
        assert decisions_in_force(connection) == before


def test_missing_row(registry):
    """A tokenised version without its index row is named and indexed."""
    damage_version(registry, "DELETE FROM hokusai_token_index", "model", 2)
    assert verify(registry) == [("model", 2, Kind.MISSING_ROW, {})]
    assert rebuild(registry) == [("model", 2, Kind.MISSING_ROW, {})]
    assert verify(registry) == []
    assert_index_is_truth(registry)


@pytest.mark.parametrize(
    ("damage", "stale"),
    [
        (delete_version, [2]),
        (soft_delete_version, [2]),
        (delete_model, [1, 2]),
        (lambda store: delete_tag(store, "model", 2, METRIC), [2]),
        (lambda store: change_tag(store, "model", 2, VALUE, "nan"), [2]),
        (turn_into_prompt, [2]),
        (give_model_another_token, [1, 2]),
    ],
    ids=[
        "version gone",
        "version deleted",
        "model gone",
        "required tag gone",
        "value invalid",
        "prompt",
        "model has another token",
    ],
)
def test_stale_row(registry, damage, stale):
    """A row for what is no tokenised version any more is named and removed."""
    damage(registry)
    expected = [("model", version, Kind.STALE_ROW, {}) for version in stale]
    assert verify(registry) == expected
    assert rebuild(registry) == expected
    assert verify(registry) == []
    assert_index_is_truth(registry)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("token_id", "SENT-009"),
        ("benchmark_metric", "Accuracy"),
        ("benchmark_value", "0.60"),
        ("contributor_address", None),
        ("creation_time", 7),
    ],
)
def test_differing_column(registry, column, value):
    """A column that is not what the tags say is named with both values, and mended."""
    damage_version(
        registry, f"UPDATE hokusai_token_index SET {column} = :value", "model", 2, value=value
    )
    assert verify(registry) == [("model", 2, Kind.DIFFERING_COLUMN, {column: value})]
    assert rebuild(registry) == [("model", 2, Kind.DIFFERING_COLUMN, {column: value})]
    assert verify(registry) == []
    assert_index_is_truth(registry)


def test_tags_are_the_truth(registry):
    """A tag changed behind the registry's back shows as what the index has and should have."""
    change_tag(registry, "model", 2, VALUE, "0.61")
    (report,) = maintenance.verify(registry.engine, BUILT_IN)
    (difference,) = report.differences
    (column,) = difference.columns
    assert (column.column, column.found, column.expected) == ("benchmark_value", "0.6", "0.61")


def test_model_moved_to_another_workspace(registry):
    """A move by a bulk statement reaches no session: the index follows at the next rebuild."""
    run_sql(registry, "UPDATE registered_models SET workspace = 'team-a' WHERE name = 'other'")
    expected = [("other", 1, Kind.STALE_ROW, {}), ("other", 1, Kind.MISSING_ROW, {})]
    assert verify(registry) == expected
    assert rebuild(registry) == expected
    assert verify(registry) == []
    assert_index_is_truth(registry)


def test_decision_is_found_again(registry):
    """A rebuilt row names the decision that was in force; an amended one names the last."""
    create_version(registry, tags=token_tags(**{VALUE: "0.2"}))
    set_tag(registry, "model", 4, VALUE, "0.3")
    with registry.engine.connect() as connection:
        before = decisions_in_force(connection)
    run_sql(registry, "DELETE FROM hokusai_token_index")
    assert len(rebuild(registry)) == 4
    with registry.engine.connect() as connection:
        assert decisions_in_force(connection) == before
    assert None not in before.values()


def test_no_decision_on_what_was_never_decided(registry):
    """A value that was put in behind the registry's back has no decision in force."""
    change_tag(registry, "model", 2, VALUE, "0.99")
    rebuild(registry)
    with registry.engine.connect() as connection:
        assert decisions_in_force(connection)["model", 2] is None


def test_what_the_audit_policy_withholds(store_factory):
    """A version that is on record for what its tags do not show is not indexed after all."""
    audited = store_factory(HOKUSAI_POLICY="audit", HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    create_version(audited)
    assert indexed_versions(audited) == []
    assert verify(audited) == []
    assert rebuild(audited) == []
    change_tag(audited, "model", 1, VALUE, "nan")
    create_version(audited, tags=token_tags(**{VALUE: "nan"}))
    change_tag(audited, "model", 2, VALUE, "0.9")
    assert verify(audited) == [("model", 2, Kind.MISSING_ROW, {})]


NAMES = ["100%", "a b", "a_b", "modèle", "z"]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 100])
def test_batches(store, batch_size):
    """Whatever the size of the batches, each version is looked at once."""
    for name in NAMES:
        for _version in range(3):
            create_version(store, name)
    run_sql(store, "DELETE FROM hokusai_token_index WHERE version = 2")
    store.delete_model_version("a b", "3")
    reports = list(maintenance.verify(store.engine, BUILT_IN, batch_size))
    assert sum(report.version_count for report in reports) == 14
    assert max(report.version_count for report in reports) <= batch_size
    assert sorted(named(reports)) == [(name, 2, Kind.MISSING_ROW, {}) for name in sorted(NAMES)]
    assert len(rebuild(store, batch_size)) == len(NAMES)
    assert_index_is_truth(store)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_index_larger_than_the_registry(store, batch_size):
    """Rows of many versions that are gone are removed in batches of that size as well."""
    for name in NAMES:
        create_version(store, name)
    for table in ("model_version_tags", "model_versions", "registered_models"):
        run_sql(store, f"DELETE FROM {table}")
    reports = list(maintenance.rebuild(store.engine, BUILT_IN, batch_size))
    assert max(len(report.differences) for report in reports) <= batch_size
    assert len(named(reports)) == len(NAMES)
    assert indexed_versions(store) == []


def test_interrupted_and_resumed(registry):
    """What an interrupted rebuild has done stays done; the next one does the rest."""
    run_sql(registry, "DELETE FROM hokusai_token_index")
    scan = maintenance.rebuild(registry.engine, BUILT_IN, 1)
    assert named([next(scan)]) == [("model", 1, Kind.MISSING_ROW, {})]
    scan.close()
    rest = [("model", 2, Kind.MISSING_ROW, {}), ("other", 1, Kind.MISSING_ROW, {})]
    assert verify(registry) == rest
    assert rebuild(registry) == rest
    assert_index_is_truth(registry)


@pytest.fixture
def old_registry(stock_database_uri):
    """The store of a stock MLflow, and what does not conform in it."""
    stock = SqlAlchemyStore(stock_database_uri)
    create_version(stock, "good", tags=token_tags())
    create_version(stock, "plain", tags={METRIC: "loss"})
    create_version(stock, "bad id", tags=token_tags(**{TOKEN: "img_001"}))
    create_version(stock, "pending", tags={TOKEN: "IMG-001"})
    create_version(stock, "twice", tags=token_tags(**{VALUE: "1.7", METRIC: " x"}))
    create_version(stock, "bounds", tags=token_tags(**{VALUE: "1.7"}))
    create_version(stock, "prompt", tags=token_tags(**{TOKEN: "x", PROMPT: "true"}))
    create_version(stock, "contributors", tags=token_tags(contributor="a", contributor_address="b"))
    create_model(stock, "owned", tags={TOKEN: "SENT-001"})
    create_version(stock, "owned", tags=token_tags())
    create_version(stock, "owned", tags=token_tags(**{TOKEN: "SENT-001"}))
    create_version(stock, "case", tags={TOKEN.upper(): "IMG-001", METRIC: "x", VALUE: "1"})
    return stock


NONCONFORMING = {
    ("bad id", 1): ["token_id_invalid"],
    ("bounds", 1): ["benchmark_value_out_of_bounds"],
    ("contributors", 1): ["contributor_conflict"],
    ("owned", 1): ["token_id_differs_from_model"],
    ("pending", 1): ["required_tag_missing", "required_tag_missing"],
    ("twice", 1): ["benchmark_metric_invalid"],
}


def nonconforming(reports):
    return {
        (found.id.name, found.id.version): [fault.code for fault in found.violations]
        for report in reports
        for found in report.nonconforming
    }


def test_old_data_before_there_is_an_index(old_registry):
    """A database without our tables is surveyed as it is; none are made."""
    reports = list(maintenance.verify(old_registry.engine, BUILT_IN, with_index=False))
    assert nonconforming(reports) == NONCONFORMING
    assert named(reports) == [
        ("good", 1, Kind.MISSING_ROW, {}),
        ("owned", 2, Kind.MISSING_ROW, {}),
    ]
    with old_registry.engine.connect() as connection:
        assert migrations.schema_state(connection).current is None


def test_backfill(old_registry, database_uri):
    """What conforms is indexed, what does not is named with every reason."""
    migrations.upgrade(old_registry.engine)
    reports = list(maintenance.rebuild(old_registry.engine, BUILT_IN, 3))
    assert nonconforming(reports) == NONCONFORMING
    with old_registry.engine.connect() as connection:
        assert [row[1:4] for row in indexed_rows(connection)] == [
            ("good", 1, "IMG-001"),
            ("owned", 2, "SENT-001"),
        ]
        assert set(decisions_in_force(connection).values()) == {None}
