"""Tags that a reward rests on cannot change any more.

Source: R10.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone import past_decisions, series_heads
from hokusai_mlflow_plugin.db.deltaone.past_decisions import PastDecision
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.domain.contributors import CONTRIBUTOR_TAGS
from hokusai_mlflow_plugin.domain.delta import Outcome
from hokusai_mlflow_plugin.domain.errors import TagsLocked
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tag_faults import DIRECTION_TAG, REQUIRED_TAGS
from hokusai_mlflow_plugin.domain.tags import Write
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG

_DECISIVE_TAGS = frozenset((*REQUIRED_TAGS, DIRECTION_TAG))
_PAYEE_TAGS = frozenset(CONTRIBUTOR_TAGS)


def unlocked_history(
    connection: Connection, catalogue: Catalogue, version: Version, write: Write, subject: str
) -> Sequence[PastDecision]:
    """Every decision on a version whose ruled tags are written, once it is sure that they may be.

    A reward of its own locks all of a version's ruled tags for good, whatever else was decided
    later; a reward of another version that was measured against it, those that were measured. The
    series are locked first: such a DeltaOne may be on its way.

    Raises:
        TagsLocked: A reward rests on a tag that is written.
    """
    decisive, payee = _DECISIVE_TAGS & set(write.written), _PAYEE_TAGS & set(write.written)
    if not decisive | payee:
        return ()
    taken = past_decisions.decisions_on(connection, version)
    if not taken:
        return ()
    affected = {each.series for each in taken} | _written_series(catalogue, version, write)
    series_heads.lock_series(connection, affected)
    locked: frozenset[str] = frozenset()
    if any(each.outcome == Outcome.ACHIEVED.value for each in taken):
        locked = decisive | payee
    elif decisive and past_decisions.is_measured_against(connection, taken):
        locked = decisive
    if locked:
        raise TagsLocked(subject, sorted(locked))
    return taken


def _written_series(catalogue: Catalogue, version: Version, write: Write) -> set[SeriesId]:
    """The series that the version is in after the write, if it is in one."""
    token_id, metric = write.tags.get(TOKEN_ID_TAG), write.tags.get(BENCHMARK_METRIC_TAG)
    if token_id is None or metric is None:
        return set()
    return {SeriesId(version.id.workspace, token_id, catalogue.canonical(metric))}
