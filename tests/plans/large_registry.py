"""A registry of many versions in which every table of the project is as full as MLflow's.

Set-based statements only: through the store it would take half an hour.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    text,
)

from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
    same_version,
)
from hokusai_mlflow_plugin.db.schema.tables import (
    checkpoints,
    corrections,
    decisions,
    deliveries,
    delivery_attempts,
    history,
    paid_runs,
    payee_totals,
    policy_findings,
    reviews,
    reward_events,
    series,
    settlements,
    token_index,
    token_publishers,
    tokens,
)

_SEED = Path(__file__).parents[2] / "benchmarks" / "seed.py"
_WAITING_DELIVERIES = 20
_VERSIONS_PER_MODEL = 2

COMPLETE = "model-17"
"""A model of two conforming versions; its second is an achieved one, against the first."""
COMPLETE_TOKEN = "TOK-17"
AMENDED = "model-23"
"""A model of whose hundred versions each has a hundred decisions."""


def fill(engine: Engine, versions: int) -> None:
    """Fill MLflow's tables and ours, and gather statistics as a database does by itself."""
    url = engine.url.render_as_string(hide_password=False)
    seed_module().seed(url, versions, versions_per_model=_VERSIONS_PER_MODEL)
    if engine.dialect.name == "sqlite":
        _forget_statistics(engine)
    with engine.begin() as connection:
        _fill_model_tags(connection)
        _fill_index(connection)
        _fill_decisions(connection)
        _fill_rewards(connection)
        _fill_findings(connection)
        _fill_owners(connection)
    if engine.dialect.name == "postgresql":
        # It does so by itself. SQLite has no statistics, as nothing of MLflow gathers any.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def seed_module() -> Any:
    """The module that fills a benchmark's database."""
    specification = importlib.util.spec_from_file_location("benchmark_seed", _SEED)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _forget_statistics(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sqlite_stat1"))


def _fill_model_tags(connection: Connection) -> None:
    names = ["workspace", "key", "name", "value"]
    for key in ("team", "stage"):
        own = registered_models.c
        rows = select(own.workspace, literal(key), own.name, literal("value"))
        _insert(connection, registered_model_tags, names, rows)


def _fill_index(connection: Connection) -> None:
    token, metric, value, payee = (model_version_tags.alias() for _ in range(4))
    source: Any = model_versions
    for tags, key in (
        (token, "hokusai_token_id"),
        (metric, "benchmark_metric"),
        (value, "benchmark_value"),
        (payee, "contributor_address"),
    ):
        source = source.join(tags, and_(same_version(tags, model_versions), tags.c.key == key))
    own = model_versions.c
    rows = (
        select(
            own.workspace,
            own.name,
            own.version,
            token.c.value,
            metric.c.value,
            value.c.value,
            payee.c.value,
            own.creation_time,
            _decision_id(own.name, own.version),
        )
        .select_from(source)
        .where(token.c.value.like("TOK-%"), value.c.value != "nan")
    )
    _insert(connection, token_index, [column.name for column in token_index.c], rows)


def _fill_decisions(connection: Connection) -> None:
    """The second version of each model achieved DeltaOne against the first."""
    own = token_index.c
    second = own.version == 2
    row = {
        "workspace": own.workspace,
        "decision_id": own.decision_id,
        "name": own.name,
        "version": own.version,
        "creation_time": own.creation_time,
        "token_id": own.token_id,
        "benchmark_metric": own.benchmark_metric,
        "value": own.benchmark_value,
        "outcome": case((second, "achieved"), else_="below_threshold"),
        "direction": literal("maximize"),
        "baseline_decision_id": case((second, _decision_id(own.name, literal(1))), else_=null()),
        "baseline_value": own.benchmark_value,
        "improvement_pp": literal("1"),
        "reason": literal("It is a row of a test."),
        "evidence": literal("claimed"),
        "decided_time": own.creation_time,
    }
    _insert(connection, decisions, list(row), select(*row.values()))
    _fill_amendments(connection)
    head = {
        "workspace": own.workspace,
        "token_id": own.token_id,
        "benchmark_metric": own.benchmark_metric,
        "direction": literal("maximize"),
        "baseline_value": own.benchmark_value,
        "head_value": own.benchmark_value,
        "head_decision_id": own.decision_id,
    }
    _insert(connection, series, list(head), select(*head.values()).where(second))


def _fill_amendments(connection: Connection) -> None:
    """Each of a hundred versions of one model was amended a hundred times."""
    row: dict[str, Any] = {
        column.name: column for column in decisions.columns if column.name != "seal"
    }
    amended = {
        **row,
        "decision_id": literal("a").concat(decisions.c.decision_id),
        "name": literal(AMENDED),
        "version": func.row_number().over(order_by=decisions.c.decision_id) % 100 + 1,
        "outcome": literal("regressed"),
        "baseline_decision_id": null(),
    }
    some = (decisions.c.name.like("model-1%"), decisions.c.version == 1)
    _insert(connection, decisions, list(amended), select(*amended.values()).where(*some))


def _fill_rewards(connection: Connection) -> None:
    """One event for each achieved decision, each signed; all but the last few are delivered."""
    own = token_index.c
    sequence = func.row_number().over(order_by=own.name)
    digest = own.name
    event = {
        "workspace": own.workspace,
        "sequence": sequence,
        "event_id": literal("event-").concat(own.name),
        "type": literal("deltaone"),
        "event_time": own.creation_time,
        "token_id": own.token_id,
        "decision_id": own.decision_id,
        "data": literal('{"contributors": [], "name": "')
        .concat(own.name)
        .concat('", "baseline": {"name": "')
        .concat(own.name)
        .concat('"}}'),
        "previous_hash": literal("0"),
        "hash": func.substr(digest, 1, 64),
    }
    _insert(connection, reward_events, list(event), select(*event.values()).where(own.version == 2))
    last = select(func.max(reward_events.c.sequence)).scalar_subquery()
    delivery = {
        "workspace": reward_events.c.workspace,
        "sequence": reward_events.c.sequence,
        "status": case(
            (reward_events.c.sequence > last - _WAITING_DELIVERIES, "pending"), else_="delivered"
        ),
        "attempts": reward_events.c.sequence % 2,
        "next_attempt_time": reward_events.c.event_time,
        "replayed_after": literal(0),
    }
    _insert(connection, deliveries, list(delivery), select(*delivery.values()))
    _fill_standing(connection, last)
    note = f"hokusai-ledger/{36 * '0'}\n1\n{43 * 'A'}=\ntimestamp 1\n\nsignatures\n"
    checkpoint = {
        "workspace": reward_events.c.workspace,
        "sequence": reward_events.c.sequence,
        "checkpoint_time": reward_events.c.event_time,
        "note": literal(note),
        "public_keys": literal("key"),
    }
    _insert(connection, checkpoints, list(checkpoint), select(*checkpoint.values()))
    total = {
        "workspace": own.workspace,
        "token_id": own.token_id,
        "benchmark_metric": own.benchmark_metric,
        "address": func.substr(own.name, 1, 42),
        "deltaone_count": literal(1),
        "improvement_pp": literal("1"),
    }
    _insert(connection, payee_totals, list(total), select(*total.values()).where(own.version == 2))


def _fill_standing(connection: Connection, last: Any) -> None:
    """Each event rests on a run, was reviewed, delivered and settled, and got payees later."""
    of_event = {"workspace": reward_events.c.workspace, "event_id": reward_events.c.event_id}
    run = {
        "run_id": func.replace(reward_events.c.event_id, "event-", "run-"),
        "workspace": reward_events.c.workspace,
        "decision_id": reward_events.c.decision_id,
    }
    _insert(connection, paid_runs, list(run), select(*run.values()))
    attempt = {
        "workspace": reward_events.c.workspace,
        "sequence": reward_events.c.sequence,
        "attempt": literal(1),
        "attempt_time": reward_events.c.event_time,
        "http_status": literal(200),
    }
    delivered = reward_events.c.sequence <= last - _WAITING_DELIVERIES
    _insert(
        connection, delivery_attempts, list(attempt), select(*attempt.values()).where(delivered)
    )
    settled = {
        **of_event,
        "status": literal("paid"),
        "reference": literal("0x1"),
        "settled_time": reward_events.c.event_time,
    }
    _insert(connection, settlements, list(settled), select(*settled.values()))
    for step, verdict in (("asked", null()), ("decided", literal("approved"))):
        review = {
            **of_event,
            "step": literal(step),
            "verdict": verdict,
            "review_time": reward_events.c.event_time,
        }
        _insert(connection, reviews, list(review), select(*review.values()))
    correction = {
        "workspace": reward_events.c.workspace,
        "event_id": func.replace(reward_events.c.event_id, "event-", "named-"),
        "kind": literal("payees_named"),
        "of_event_id": reward_events.c.event_id,
        "of_decision_id": reward_events.c.decision_id,
        "reason": literal("It is a row of a test."),
        "corrected_time": reward_events.c.event_time,
    }
    _insert(connection, corrections, list(correction), select(*correction.values()))


def _fill_findings(connection: Connection) -> None:
    own = token_index.c
    finding = {
        "workspace": own.workspace,
        "name": own.name,
        "version": own.version,
        "creation_time": own.creation_time,
        "codes": literal("token_id_invalid"),
        "message": literal("It is a row of a test."),
        "found_time": own.creation_time,
    }
    rows = select(*finding.values()).where(own.version == 1)
    _insert(connection, policy_findings, list(finding), rows)


def _fill_owners(connection: Connection) -> None:
    own = series.c
    declared = {
        "token_id": own.token_id,
        "workspace": func.min(own.workspace),
        "claimed_time": literal(1),
        "metrics": literal('["f1_score"]'),
        "declared_time": literal(1),
    }
    rows = select(*declared.values()).group_by(own.token_id)
    _insert(connection, tokens, list(declared), rows)
    publisher = {
        "token_id": tokens.c.token_id,
        "publisher": literal("alice"),
        "granted_time": literal(1),
    }
    _insert(connection, token_publishers, list(publisher), select(*publisher.values()))
    entry = {
        "workspace": decisions.c.workspace,
        "entry_id": func.substr(decisions.c.decision_id, 1, 36),
        "entry_time": decisions.c.decided_time,
        "action": literal("stage_set"),
        "token_id": decisions.c.token_id,
        "name": decisions.c.name,
        "version": decisions.c.version,
        "details": literal("{}"),
    }
    _insert(connection, history, list(entry), select(*entry.values()))


def _decision_id(name: Any, version: Any) -> ColumnElement[str]:
    return literal("d-").concat(name).concat("-").concat(cast(version, String(12)))


def _insert(connection: Connection, table: Any, names: list[str], rows: Any) -> None:
    connection.execute(table.insert().from_select(names, rows))
