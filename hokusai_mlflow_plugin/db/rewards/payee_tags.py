"""Whom a version names as its contributors, held against the events that it earned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    DELETED_STAGE,
    model_version_tags,
    model_versions,
    same_version,
)
from hokusai_mlflow_plugin.db.schema.tables import decisions, policy_findings, reward_events
from hokusai_mlflow_plugin.domain.contributors import CONTRIBUTOR_TAGS


@dataclass
class EventVersion:
    """The version that earned an event, live or deleted, as MLflow's tables have it."""

    is_live: bool
    """A deleted one keeps its tags, but MLflow overwrites its run."""
    run_id: str | None
    payee_tags: dict[str, str]
    may_differ: bool
    """Whether the audit policy has on record that its locked tags were changed."""


def read_versions(
    connection: Connection, workspace: str, first: int, last: int
) -> Mapping[int, EventVersion]:
    """The versions of events from one sequence number to another; none that is gone or was moved.

    One statement, so that it sees one state of the database.
    """
    versions, tags, findings = model_versions, model_version_tags, policy_findings
    of_decision = and_(
        decisions.c.workspace == reward_events.c.workspace,
        decisions.c.decision_id == reward_events.c.decision_id,
    )
    of_version = and_(
        same_version(decisions, versions),
        func.coalesce(versions.c.creation_time, 0) == decisions.c.creation_time,
    )
    is_payee = and_(same_version(tags, versions), tags.c.key.in_(CONTRIBUTOR_TAGS))
    of_finding = and_(
        same_version(findings, versions), findings.c.creation_time == decisions.c.creation_time
    )
    query = (
        select(
            reward_events.c.sequence,
            versions.c.current_stage,
            versions.c.run_id,
            tags.c.key,
            tags.c.value,
            findings.c.codes,
        )
        .select_from(
            reward_events.join(decisions, of_decision)
            .join(versions, of_version)
            .outerjoin(tags, is_payee)
            .outerjoin(findings, of_finding)
        )
        .where(
            reward_events.c.workspace == workspace,
            reward_events.c.sequence.between(first, last),
        )
    )
    found: dict[int, EventVersion] = {}
    for sequence, stage, run_id, key, value, codes in connection.execute(query):
        may_differ = "tags_locked" in (codes or "").split(",")
        version = found.setdefault(
            sequence, EventVersion(stage != DELETED_STAGE, run_id, {}, may_differ)
        )
        if key in CONTRIBUTOR_TAGS:  # MySQL finds a key in any case
            version.payee_tags[key] = value or ""
    return found
