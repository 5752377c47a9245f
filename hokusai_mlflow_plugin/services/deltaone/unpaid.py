"""Why an improvement raises the head and earns nothing.

Source: R9 and R13.
"""

from __future__ import annotations

from collections.abc import Iterable

from hokusai_mlflow_plugin.db.deltaone.series_heads import HeadElsewhere
from hokusai_mlflow_plugin.db.deltaone.surroundings import SeriesHead
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.domain.delta import improvement
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue, Direction
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tags import TokenTags, Write
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG, stored_value

REWARDS_OFF = "rewards are off on this server (HOKUSAI_REWARDS=off)"
PAST_THE_PLUGIN = (
    "the version was registered or amended past the plugin: its tags were complete before this "
    "write, and were not decided on"
)
MOVED = "the version was decided on in the workspace that it was moved from"
ELSEWHERE = "another workspace of this server has a better value of this token already"
OWN_HEAD = "the version amends its own value"

STAYING = (REWARDS_OFF, PAST_THE_PLUGIN, MOVED, ELSEWHERE)
"""Reasons for which a value stays the one to beat, whatever its version is amended to.

It was there before, or is elsewhere, and may have been paid there: who took it back and registered
it once more would be paid for it here.
"""


def is_past_the_plugin(
    version: Version, write: Write, tags: TokenTags, catalogue: Catalogue
) -> bool:
    """Whether the tags that the write found were complete, and not those that were decided on.

    Of an indexed version the tags are compared that this write leaves alone: what the others were
    before it, only the session knows, and another writer may have changed them since.
    """
    indexed = version.indexed
    if indexed is None:
        return write.was_complete
    if indexed.decision_id is None:
        return True
    differs = {
        TOKEN_ID_TAG: indexed.token_id != tags.token_id,
        BENCHMARK_METRIC_TAG: catalogue.canonical(indexed.benchmark_metric)
        != tags.benchmark_metric,
        BENCHMARK_VALUE_TAG: stored_value(indexed.benchmark_value)
        != stored_value(tags.benchmark_value),
    }
    return any(differs[key] for key in differs if key not in write.written)


def is_own_head(version: Version, head: SeriesHead | None) -> bool:
    """Whether a version set the head itself: who corrects his own value has improved on nobody."""
    return head is not None and (head.name, head.version, head.creation_time_ms) == (
        version.id.name,
        version.id.version,
        version.creation_time_ms,
    )


def known_elsewhere(head: SeriesHead, elsewhere: Iterable[HeadElsewhere]) -> str | None:
    """Why a DeltaOne earns nothing where another workspace has got further with its token.

    Only the workspace with the best head of a token on this server earns. So the steps that are
    paid for never overlap, and a model that was copied with its tags is not paid for again.
    """
    direction = Direction(head.direction)
    for each in elsewhere:
        if each.direction != head.direction:
            continue
        if improvement(stored_value(each.value), stored_value(head.value), direction) > 0:
            return ELSEWHERE
    return None
