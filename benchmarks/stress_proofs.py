"""What must hold of a registry after the stress run, judged apart from the plugin's own code.

The rules are written again here, as far as the run's values need them; the plugin's own ``verify``
and its verification of the ledger are asked besides.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, text

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.services.rewards import ledger_verification

REQUIRED = ("hokusai_token_id", "benchmark_metric", "benchmark_value")
DIRECTIONS = {"accuracy": "maximize", "rmse": "minimize"}
UID = "stress_uid"

Key = tuple[str, str, int]
Tags = Mapping[str, str]


class Registry:
    """Every row that matters, as the run left it."""

    def __init__(self, connection: Connection) -> None:
        def rows(query: str) -> list[Any]:
            return [tuple(row) for row in connection.execute(text(query))]

        self.versions: dict[Key, tuple[str, int]] = {
            (workspace, name, version): (stage, created)
            for workspace, name, version, stage, created in rows(
                "SELECT workspace, name, version, current_stage, creation_time FROM model_versions"
            )
        }
        self.tags: dict[Key, dict[str, str]] = defaultdict(dict)
        for workspace, name, version, key, value in rows(
            "SELECT workspace, name, version, model_version_tags.key, value FROM model_version_tags"
        ):
            self.tags[workspace, name, version][key] = value or ""
        self.model_tokens = {
            (workspace, name): value
            for workspace, name, key, value in rows(
                "SELECT workspace, name, registered_model_tags.key, value "
                "FROM registered_model_tags"
            )
            if key == REQUIRED[0]
        }
        self.index = rows(
            "SELECT workspace, name, version, token_id, benchmark_metric, benchmark_value, "
            "contributor_address, creation_time FROM hokusai_token_index"
        )
        self.in_force = {
            (workspace, name, version): decision
            for workspace, name, version, decision in rows(
                "SELECT workspace, name, version, decision_id FROM hokusai_token_index"
            )
        }
        self.decisions = {
            row[0]: row
            for row in rows(
                "SELECT decision_id, token_id, benchmark_metric, value, outcome, "
                "baseline_decision_id, baseline_value, direction FROM hokusai_decisions"
            )
        }
        self.series = rows(
            "SELECT token_id, benchmark_metric, direction, baseline_value, head_value, "
            "head_decision_id FROM hokusai_series"
        )
        self.events = rows("SELECT decision_id, data FROM hokusai_reward_events")
        self.deliveries = rows("SELECT sequence FROM hokusai_reward_deliveries")

    @property
    def live(self) -> list[Key]:
        return [key for key, (stage, _) in self.versions.items() if stage != "Deleted_Internal"]


def faults(engine: Engine, own: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Everything that is not as it must be.

    Args:
        engine: The registry's database; nobody writes to it any more.
        own: What the clients know of their own versions.
    """
    with engine.connect() as connection:
        registry = Registry(connection)
        yield from (str(fault) for fault in ledger_verification.find_faults(connection))
    for report in maintenance.verify(engine, BUILT_IN):
        yield from (f"verify: {difference}" for difference in report.differences)
    yield from _tags_and_index(registry)
    yield from _decisions(registry)
    yield from _runs(registry)
    yield from _heads(registry)
    yield from _acknowledged(registry, own)


def tag_faults(tags: Tags, model_token: str | None) -> list[str]:
    """What is wrong with the tags of a version that carries a token."""
    token, metric, value = (tags.get(key) for key in REQUIRED)
    number = None
    found = []
    if not re.fullmatch(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+", token or "", re.ASCII):
        found.append("token id")
    if model_token is not None and token != model_token:
        found.append("token of the model")
    if metric is not None and (metric != metric.strip() or not metric):
        found.append("metric")
    if value is not None:
        if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value, re.ASCII):
            number = Decimal(value)
        else:
            found.append("value")
    if number is not None and metric == "accuracy" and not 0 <= number <= 1:
        found.append("bounds")
    direction = tags.get("benchmark_direction")
    if direction is not None and direction not in DIRECTIONS.values():
        found.append("direction")
    elif direction is not None and DIRECTIONS.get(metric or "", direction) != direction:
        found.append("direction of the metric")
    contributors = {tags[key] for key in ("contributor", "contributor_address") if key in tags}
    if len(contributors) > 1:
        found.append("contributors")
    return found


def _tags_and_index(registry: Registry) -> Iterator[str]:
    expected = []
    for key in registry.live:
        tags = registry.tags[key]
        if REQUIRED[0] not in tags:
            continue
        if found := tag_faults(tags, registry.model_tokens.get(key[:2])):
            yield f"invalid version {key}: {', '.join(found)} in {tags}"
        elif all(required in tags for required in REQUIRED):
            contributor = tags.get("contributor_address", tags.get("contributor", ""))
            address = contributor.lower() if contributor.startswith("0x") else None
            values = [tags[required] for required in REQUIRED]
            expected.append((*key, *values, address, registry.versions[key][1]))
    difference = Counter(expected)
    difference.subtract(registry.index)
    for row, count in difference.items():
        if count:
            yield f"index: {'no' if count > 0 else 'wrong'} row {row}"


def _decisions(registry: Registry) -> Iterator[str]:
    """Each index row has the decision on what it says; each achievement one event."""
    for *key, token, metric, value, _address, _created in registry.index:
        decision = registry.decisions.get(registry.in_force[tuple(key)])  # type: ignore[arg-type]
        if decision is None or decision[1:3] != (token, metric):
            yield f"index row {key} has no decision on it, but {decision}"
        elif Decimal(decision[3]) != Decimal(value):
            yield f"index row {key} says {value}, its decision {decision}"
    achieved = Counter(d[0] for d in registry.decisions.values() if d[4] == "achieved")
    if achieved != Counter(row[0] for row in registry.events):
        yield f"{len(registry.events)} events for {achieved.total()} achieved decisions"
    if len(registry.deliveries) != len(registry.events):
        yield f"{len(registry.deliveries)} deliveries of {len(registry.events)} events"


def _runs(registry: Registry) -> Iterator[str]:
    """A run backs one reward."""
    told = [json.loads(data) for _decision, data in registry.events]
    backed = Counter(event["run_id"] for event in told if event["evidence"] == "run_backed")
    for run_id, count in backed.items():
        if count > 1:
            yield f"run {run_id} backs {count} rewards"
    if not backed:
        yield "no reward that a run backs: the run has shown nothing of them"


def _heads(registry: Registry) -> Iterator[str]:
    """The moves of a head form one chain from its baseline to its head."""
    by_series = defaultdict(list)
    for decision in registry.decisions.values():
        by_series[decision[1:3]].append(decision)
    for token, metric, direction, baseline_value, head_value, head_decision in registry.series:
        own = by_series[token, metric]
        moves = [d for d in own if d[4] in ("baseline", "achieved")]
        first = [d for d in moves if d[5] is None]
        sign = 1 if direction == "maximize" else -1
        if len(first) != 1:
            yield f"series {token} {metric} has the baselines {first}"
            continue
        following = {d[5]: d for d in moves if d[5] is not None}
        head, steps, start = first[0], 0, first[0]
        while head[0] in following:
            reached, steps = following[head[0]], steps + 1
            if reached[4] == "baseline" and start == head:  # it amended its own value
                start = reached
            # A baseline may fall: its owner amended it, and nothing was measured against it (R10).
            better = (Decimal(reached[3]) - Decimal(head[3])) * sign
            if reached[4] == "achieved" and better < Decimal("0.01"):
                yield f"no DeltaOne from {head} to {reached}"
            head = reached
        if steps != len(moves) - 1 or (head[0], head[3]) != (head_decision, head_value):
            yield f"series {token} {metric} is no chain: {steps} of {len(moves) - 1}, ends {head}"
        if start[3] != baseline_value:
            yield f"series {token} {metric} begins with {baseline_value}, not {start}"


def _acknowledged(registry: Registry, own: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a client was told to be written is there, and what it deleted is gone."""
    by_uid = defaultdict(list)
    for key, tags in registry.tags.items():
        if UID in tags:
            by_uid[tags[UID]].append(key)
    for version in own:
        # A copy brings its original's tags, but has its own uid.
        found = by_uid[version["uid"]]
        if len(found) != 1:
            yield f"version {version['uid']} was acknowledged, and is there {len(found)} times"
            continue
        (key,) = found
        if (registry.versions[key][0] == "Deleted_Internal") not in version["deleted"]:
            yield f"version {key}, {version}: stage {registry.versions[key][0]}"
        for tag, values in version["tags"].items():
            if registry.tags[key].get(tag) not in values:
                yield f"version {key}: {tag} is {registry.tags[key].get(tag)!r}, not of {values}"
