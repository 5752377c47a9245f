"""Setting a locked version back to what its lock holds.

Source: R5. Under the audit policy, or past the plugin, the tags of a version can change although a
reward rests on them; then it is out of the index. Each of them can be set back, one at a time, and
when all are, the decision that the reward rests on is in force again and earns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone import held_decisions
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.domain.contributors import contributors_of
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tag_faults import DIRECTION_TAG
from hokusai_mlflow_plugin.domain.tags import Write
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG
from hokusai_mlflow_plugin.domain.values import (
    BENCHMARK_VALUE_TAG,
    parse_benchmark_value,
    stored_value,
)
from hokusai_mlflow_plugin.services.deltaone.tag_locks import DECISIVE_TAGS, PAYEE_TAGS


class Held:
    """What the lock on a version holds, compared with its tags after a write."""

    def __init__(
        self,
        connection: Connection,
        decision: Mapping[str, Any],
        write: Write,
        catalogue: Catalogue,
    ) -> None:
        self.decision_id = str(decision["decision_id"])
        tags = write.tags
        value = parse_benchmark_value(tags.get(BENCHMARK_VALUE_TAG, ""))
        metric = catalogue.get(decision["benchmark_metric"])
        direction = metric.direction.value if metric else decision["direction"]
        said = tags.get(DIRECTION_TAG)
        self._same: dict[str, bool] = {
            TOKEN_ID_TAG: tags.get(TOKEN_ID_TAG) == decision["token_id"],
            BENCHMARK_METRIC_TAG: _same_metric(catalogue, tags, decision["benchmark_metric"]),
            BENCHMARK_VALUE_TAG: value is not None and value == stored_value(decision["value"]),
            DIRECTION_TAG: said == direction or (said is None and metric is not None),
        }
        paid = held_decisions.paid_contributors(connection, decision)
        written = [(each.text, each.weight) for each in contributors_of(tags)]
        same_payees = paid is None or written == [(p["contributor"], p["weight"]) for p in paid]
        self._same |= dict.fromkeys(PAYEE_TAGS, same_payees)

    def holds(self, key: str) -> bool:
        """Whether a tag that can be locked is what the lock holds."""
        return self._same[key]

    @property
    def is_whole(self) -> bool:
        """Whether every tag is."""
        return all(self._same.values())


def _same_metric(catalogue: Catalogue, tags: Mapping[str, str], decided: str) -> bool:
    """Whether a tag names the metric that was decided on, by any of its names (R8)."""
    metric = tags.get(BENCHMARK_METRIC_TAG)
    return metric is not None and catalogue.canonical(metric) == catalogue.canonical(decided)


def held(
    connection: Connection, version: Version, write: Write, catalogue: Catalogue
) -> Held | None:
    """What the lock holds, if the write only sets changed tags back to it; else None.

    The version is out of the index then. One that is in it, with the decision in force, is as the
    lock holds it: its tags keep their text.
    """
    decision = held_decisions.held_decision(connection, version)
    if decision is None:
        return None
    if version.indexed is not None and version.indexed.decision_id == decision["decision_id"]:
        return None
    found = Held(connection, decision, write, catalogue)
    locked = (DECISIVE_TAGS | PAYEE_TAGS) & set(write.written)
    return found if all(found.holds(key) for key in locked) else None
