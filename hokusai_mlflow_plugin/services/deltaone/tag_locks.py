"""Tags that a reward rests on cannot change any more.

Source: R10.
"""

from __future__ import annotations

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone import past_decisions, series_heads
from hokusai_mlflow_plugin.db.deltaone.past_decisions import PastDecisions
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.domain.contributors import CONTRIBUTOR_TAGS
from hokusai_mlflow_plugin.domain.errors import TagsLocked
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tag_faults import DIRECTION_TAG, REQUIRED_TAGS
from hokusai_mlflow_plugin.domain.tags import Write
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG

DECISIVE_TAGS = frozenset((*REQUIRED_TAGS, DIRECTION_TAG))
PAYEE_TAGS = frozenset(CONTRIBUTOR_TAGS)


def unlocked_history(
    connection: Connection, catalogue: Catalogue, version: Version, write: Write, subject: str
) -> PastDecisions:
    """What is on record about a version whose ruled tags are written, once they may be.

    A reward of its own locks all of a version's ruled tags for good, whatever else was decided
    later; a reward of another version that was measured against it, those that were measured. The
    series that it is in, and comes into, are locked first: such a DeltaOne may be on its way. One
    in a series that it has left before is not waited for: it changes nothing that is written here.

    Raises:
        TagsLocked: A reward rests on a tag that is written.
    """
    decisive, payee = DECISIVE_TAGS & set(write.written), PAYEE_TAGS & set(write.written)
    if not decisive | payee:
        return PastDecisions()
    if decisive and version.indexed is not None:
        series_heads.lock_series(connection, _affected_series(catalogue, version, write))
    past = past_decisions.past_decisions(connection, version)
    locked: frozenset[str] = frozenset()
    if past.achieved:
        locked = decisive | payee
    elif past.measured_against:
        locked = decisive
    if locked:
        raise TagsLocked(subject, sorted(locked))
    return past


def _affected_series(catalogue: Catalogue, version: Version, write: Write) -> set[SeriesId]:
    """The series that a tokenised version is in before the write, and after it, if in one."""
    workspace, indexed = version.id.workspace, version.indexed
    assert indexed is not None  # noqa: S101  # the caller has seen to it
    found = {SeriesId(workspace, indexed.token_id, indexed.benchmark_metric)}
    token_id, metric = write.tags.get(TOKEN_ID_TAG), write.tags.get(BENCHMARK_METRIC_TAG)
    if token_id is not None and metric is not None:
        found.add(SeriesId(workspace, token_id, catalogue.canonical(metric)))
    return found
