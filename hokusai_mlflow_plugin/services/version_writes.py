"""What a write means for one version: checked, decided on, indexed and rewarded, in this order.

Source: R4 to R7, R10.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone.past_decisions import PastDecisions
from hokusai_mlflow_plugin.db.deltaone.surroundings import (
    SeriesHead,
    Surroundings,
    read_surroundings,
)
from hokusai_mlflow_plugin.db.index import index_rows, live_versions
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites, joined_writes
from hokusai_mlflow_plugin.db.keys import SeriesId, VersionId
from hokusai_mlflow_plugin.db.policy import finding_rows
from hokusai_mlflow_plugin.domain.bindings import BOUND_TAG
from hokusai_mlflow_plugin.domain.errors import (
    TagsLocked,
    TagsRefused,
)
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.ownership import Ownership
from hokusai_mlflow_plugin.domain.tag_faults import DIRECTION_TAG, REQUIRED_TAGS
from hokusai_mlflow_plugin.domain.tags import (
    RULED_TAGS,
    Context,
    TokenTags,
    Write,
    check_write,
    is_ruled,
    token_tags,
)
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, shown
from hokusai_mlflow_plugin.services import tag_spelling
from hokusai_mlflow_plugin.services.changes import Changes
from hokusai_mlflow_plugin.services.deltaone import restoring, tag_locks, unpaid
from hokusai_mlflow_plugin.services.deltaone.decisions import decide_version, needs_decision
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.services.history.entries import record_tags
from hokusai_mlflow_plugin.services.policy import findings
from hokusai_mlflow_plugin.services.rewards import ledger
from hokusai_mlflow_plugin.services.tokens import owners
from hokusai_mlflow_plugin.settings import Policy, RewardReview, Settings


def write_tags(connection: Connection, judge: Judge, key: VersionId, changes: Changes) -> None:
    """Take a version whose tags were written through the subjects."""
    written, added = changes.retagged[key], changes.added.get(key, set())
    version = live_versions.read_version(connection, key)
    if version is None:
        return
    tags = live_versions.read_tags(connection, version.id, RULED_TAGS)
    before = (tags.keys() | written) - added
    write = Write(
        tags,
        written,
        was_tokenised=version.indexed is not None
        or _was_tokenised(connection, judge, version, tags, changes.removed.get(key, {})),
        was_complete=before.issuperset(REQUIRED_TAGS),
    )
    write_version(connection, judge, version, write)


def _was_tokenised(
    connection: Connection,
    judge: Judge,
    version: Version,
    tags: Mapping[str, str],
    removed: Mapping[str, str],
) -> bool:
    """Whether a version that is not indexed was tokenised until a required tag was deleted.

    One that was written past the plugin is. Were it let go, the tag could be set again as if the
    set were complete for the first time, and what is to earn nothing would be paid (R9).
    """
    before = {**tags, **removed}
    if removed.keys().isdisjoint(REQUIRED_TAGS) or not is_ruled(before):
        return False
    catalogue = judge.settings.catalogue
    surroundings = _surroundings(connection, judge, version, before)
    return token_tags(before, Context(surroundings.model_token, catalogue)) is not None


def write_version(connection: Connection, judge: Judge, version: Version, write: Write) -> None:
    """Take a version through the subjects; under the audit policy a refusal goes on record."""
    audited = judge.settings.policy is Policy.AUDIT
    writes = JoinedWrites(connection)
    try:
        try:
            checked = _check(connection, judge, version, write)
        except TagsLocked as lock_refusal:
            if _restore(connection, judge, version, write, lock_refusal):
                return
            raise
        decision_id = _decide(connection, writes, judge, version, write, checked)
    except (TagsRefused, TagsLocked) as refusal:
        if not audited:
            raise
        # The write stays, so its row would say what the tags do not say any more (R7).
        index_rows.remove(connection, version.id)
        findings.record(connection, version.id, version.creation_time_ms, refusal, judge.actor())
        judge.let_pass(version.id, refusal)
        return
    if not write.created and is_ruled(write.tags) and decision_id == _decided(version):
        written = {key: write.tags.get(key) for key in write.written}
        record_tags(connection, judge, version.id, write.tags, written)
    if checked.tags is not None:
        index_rows.put(writes, version, checked.tags, decision_id)
    elif version.indexed is not None:
        index_rows.remove(connection, version.id)
    writes.send()
    if audited:
        finding_rows.remove(connection, version.id)


def _decided(version: Version) -> str | None:
    """The decision that was in force before the write."""
    return None if version.indexed is None else version.indexed.decision_id


def _restore(
    connection: Connection, judge: Judge, version: Version, write: Write, refusal: TagsLocked
) -> bool:
    """Let a write pass that sets a changed version back to what its lock holds.

    In the index it is again when all of it is; until then it stays on record as withheld.
    """
    catalogue = judge.settings.catalogue
    held = restoring.held(connection, version, write, catalogue)
    if held is None:
        return False
    surroundings = _surroundings(connection, judge, version, write.tags)
    tags = token_tags(write.tags, Context(surroundings.model_token, catalogue))
    if tags is not None and held.is_whole:
        with joined_writes(connection) as writes:
            index_rows.put(writes, version, tags, held.decision_id)
        finding_rows.remove(connection, version.id)
    else:
        index_rows.remove(connection, version.id)
        findings.record(connection, version.id, version.creation_time_ms, refusal, judge.actor())
    return True


@dataclass(frozen=True)
class _Checked:
    """A version whose tags break no rule, with what was read to find that out."""

    tags: TokenTags | None
    """None where it is not tokenised."""
    head: SeriesHead | None
    past: PastDecisions
    owner: Ownership | None


def _check(connection: Connection, judge: Judge, version: Version, write: Write) -> _Checked:
    """Check a version's tags by all rules.

    Raises:
        TagsRefused: They break one.
        TagsLocked: A reward rests on a tag that is written.
    """
    settings = judge.settings
    past = PastDecisions()
    if not write.created:
        # Not for a new version: it has no history, and asking would cost its creation a statement.
        past = tag_locks.unlocked_history(
            connection, settings.catalogue, version, write, version_subject(version.id)
        )
    surroundings = _surroundings(connection, judge, version, write.tags)
    context = Context(
        surroundings.model_token, settings.catalogue, settings.policy is Policy.STRICT
    )
    respelt = tag_spelling.respelt(connection, version.id, _keys(write), RULED_TAGS)
    subject = version_subject(version.id) + _origin_of_tags(write)
    use = None
    if is_ruled(write.tags):
        workspace = version.id.workspace
        use = owners.use_of(workspace, write.tags, settings.catalogue, judge.actor())
    of_owner = owners.owner_faults(settings, use, surroundings.owner)
    if violations := respelt or [*check_write(write, context), *of_owner]:
        raise owners.refusal(violations, subject)
    if surroundings.owner is None:
        owners.claim_first_use(connection, judge, use, subject)
    return _Checked(token_tags(write.tags, context), surroundings.head, past, surroundings.owner)


def _origin_of_tags(write: Write) -> str:
    """What is said to who gave no token tags and has them refused."""
    logged_by = write.tags.get(BOUND_TAG) if write.created else None
    if logged_by is None:
        return ""
    return f" (tokenised by its registered model, with what run {shown(logged_by)} logged)"


def _keys(write: Write) -> Collection[str]:
    return write.tags if write.created else write.written


def _surroundings(
    connection: Connection, judge: Judge, version: Version, tags: Mapping[str, str]
) -> Surroundings:
    """What the version is judged by; an untokenised one costs no statement."""
    if not is_ruled(tags):
        return Surroundings(None, None)
    metric = judge.settings.catalogue.canonical(tags.get(BENCHMARK_METRIC_TAG, ""))
    series = SeriesId(version.id.workspace, tags[TOKEN_ID_TAG], metric)
    return read_surroundings(connection, version.id.model, series, judge.actor())


def _decide(
    connection: Connection,
    writes: JoinedWrites,
    judge: Judge,
    version: Version,
    write: Write,
    checked: _Checked,
) -> str | None:
    """The id of the decision in force after the write; a DeltaOne leaves its reward event."""
    # The index row does not hold the direction, so each write of it counts as a change.
    tags, written = checked.tags, DIRECTION_TAG in write.written
    if tags is None:
        return None
    catalogue, indexed = judge.settings.catalogue, version.indexed
    if indexed and not needs_decision(indexed, tags, catalogue, direction_written=written):
        return indexed.decision_id
    because = _unpaid(judge.settings, version, write, tags, checked.past)
    decision = decide_version(connection, writes, judge, version, tags, checked.head, because)
    if decision.earned_over is not None:
        review = _review(judge, checked.owner, decision.row["improvement_pp"])
        ledger.append(
            connection,
            writes,
            version,
            tags,
            decision.row,
            decision.earned_over,
            review,
            names_actor=judge.settings.event_actors,
        )
    return decision.id


def _review(judge: Judge, owner: Ownership | None, points: str) -> ledger.AskedBy | None:
    """Whose event waits for a review, where one is to be made: also above a token's ceiling."""
    is_within = owner is None or owner.ceiling_pp is None or _at_most(points, owner.ceiling_pp)
    if judge.settings.reward_review is RewardReview.NONE and is_within:
        return None
    return ledger.AskedBy(judge.actor())


def _at_most(points: str, ceiling_pp: str) -> bool:
    return Decimal(points) <= Decimal(ceiling_pp)


def _unpaid(
    settings: Settings,
    version: Version,
    write: Write,
    tags: TokenTags,
    past: PastDecisions,
) -> str | None:
    """Why a version earns nothing whatever its series, or None."""
    if not settings.rewards:
        return unpaid.REWARDS_OFF
    if unpaid.is_past_the_plugin(version, write, tags, settings.catalogue):
        return unpaid.PAST_THE_PLUGIN
    if past.elsewhere:
        return unpaid.MOVED
    return None


def version_subject(key: VersionId) -> str:
    """A version as refusals name it."""
    return f"Model {shown(key.name)} version {key.version}"
