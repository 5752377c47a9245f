"""Versions that were amended many times, written by SQL as the registry would have written them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update

from hokusai_mlflow_plugin.db.schema.tables import decisions

_BATCH = 1000


def amend_often(store: Any, count: int, name: str = "model", version: int = 1) -> None:
    """Give a version that many more decisions below its head, older than the one it has."""
    with store.engine.begin() as connection:
        of_version = decisions.c.name == name, decisions.c.version == version
        own = connection.execute(select(decisions).where(*of_version)).mappings().first()
        assert own is not None
        rows = [
            {
                **own,
                "decision_id": f"amended-{number:08}",
                "value": "0.1",
                "outcome": "regressed",
                "baseline_decision_id": own["decision_id"],
                "baseline_value": own["value"],
                "improvement_pp": "-75",
                "supersedes": f"amended-{number + 1:08}" if number + 1 < count else None,
                "decided_time": own["decided_time"] - 1 - number // 2,
            }
            for number in range(count)
        ]
        last = {"supersedes": "amended-00000000"}
        connection.execute(update(decisions).where(*of_version).values(last))
        for start in range(0, count, _BATCH):
            connection.execute(insert(decisions), rows[start : start + _BATCH])
