"""What the database says when all is done."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Engine, text


@dataclass(frozen=True)
class Books:
    """What the database says in the end."""

    versions: int
    decisions: int
    achieved: int
    events: int
    pending: int
    attempts: int
    checkpoints: int
    unsigned: int
    """Ledgers whose end no checkpoint is of."""
    wrong_series: int

    @classmethod
    def read(cls, engine: Engine) -> Books:
        with engine.connect() as connection:

            def count(what: str) -> int:
                return int(connection.scalar(text(f"SELECT count(*) FROM {what}")))

            return cls(
                count("model_versions"),
                count("hokusai_decisions"),
                count("hokusai_decisions WHERE outcome = 'achieved'"),
                count("hokusai_reward_events"),
                count("hokusai_reward_deliveries WHERE status <> 'delivered'"),
                count("hokusai_reward_attempts"),
                count("hokusai_reward_checkpoints"),
                count(
                    "hokusai_reward_ledgers l WHERE NOT EXISTS (SELECT 1 FROM "
                    "hokusai_reward_checkpoints c WHERE c.workspace = l.workspace "
                    "AND c.sequence = l.last_sequence)"
                ),
                sum(not _is_paid_exactly(*row) for row in connection.execute(text(_SERIES))),
            )


_SERIES = """
SELECT s.baseline_value, s.head_value, d.improvement_pp FROM hokusai_series s
LEFT JOIN (
    SELECT workspace, token_id, benchmark_metric, string_agg(improvement_pp, ' ') improvement_pp
    FROM hokusai_decisions WHERE outcome = 'achieved' GROUP BY 1, 2, 3
) d USING (workspace, token_id, benchmark_metric)
"""


def _is_paid_exactly(baseline: str, head: str, points: str | None) -> bool:
    """Whether what was paid in a series is the way from its baseline to its head."""
    paid = sum(map(Decimal, (points or "").split()), Decimal(0))
    return paid == (Decimal(head) - Decimal(baseline)) * 100
