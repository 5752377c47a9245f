"""Reading the whole registry as the rules see it, a batch at a time.

Source: R7 and R13.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from hokusai_mlflow_plugin.db.index import index_repair, registry_scan
from hokusai_mlflow_plugin.db.index.index_repair import Decided, Locks
from hokusai_mlflow_plugin.db.index.registry_scan import IndexRow, LiveVersion
from hokusai_mlflow_plugin.db.key_ranges import Position, Span
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.db.transient_errors import is_deadlock
from hokusai_mlflow_plugin.domain.contributors import MISTYPED, mistyped_contributors
from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.ownership import OWNERSHIP_CODES
from hokusai_mlflow_plugin.domain.tag_faults import PROMPT_TAG
from hokusai_mlflow_plugin.domain.tags import (
    RULED_TAGS,
    Context,
    TokenTags,
    Write,
    check_write,
    is_prompt,
    is_ruled,
    token_tags,
)
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG

BATCH_SIZE = 2_000
_LAST_VERSION = 2**31 - 1

_after_deadlocks = Retrying(
    retry=retry_if_exception(is_deadlock), stop=stop_after_attempt(10), reraise=True
)
_NOT_IN_THE_TAGS = frozenset(
    (
        *("tags_locked", "tag_key_respelt"),
        *("run_evidence_missing", "run_evidence_mismatch", "run_evidence_reused"),
        *("benchmark_metric_look_alike", "benchmark_metric_unknown"),
        MISTYPED,
        *OWNERSHIP_CODES,
    )
)
"""Codes of faults that a version's tags do not show, or that only a write answers for."""


@dataclass(frozen=True, slots=True)
class ScannedVersion:
    """A live version with all that the rules and the index know of it."""

    id: VersionId
    creation_time_ms: int
    tags: Mapping[str, str]
    """Those that the rules look at."""
    context: Context
    token_tags: TokenTags | None
    """None where it is not tokenised."""
    row: IndexRow | None
    """Its row in the index as found."""
    decided: Sequence[Decided]
    """The decisions on it that no other supersedes, oldest first."""
    withheld: bool
    """Whether the audit policy left it out of the index for what its tags do not show."""

    @property
    def violations(self) -> list[Violation]:
        """What does not conform of a version that carries a token; empty for any other.

        Of a tokenised one that is a mistyped address, which no write would be let pass with.
        """
        if not is_ruled(self.tags):
            return []
        if self.token_tags is not None:
            return mistyped_contributors(self.tags)
        return check_write(Write(self.tags, created=True), self.context)


@dataclass(frozen=True)
class Batch:
    """Consecutive versions of one workspace, in one state of the database."""

    span: Span
    versions: Sequence[ScannedVersion]
    strays: Sequence[VersionId]
    """Index rows without a live version."""


def scan(
    connection: Connection,
    catalogue: Catalogue,
    batch_size: int = BATCH_SIZE,
    *,
    with_index: bool = True,
    locking: bool = False,
) -> Iterator[Batch]:
    """Every live version with its ruled tags and its index row, in key order.

    Each batch is read in a transaction of its own, which the caller ends before asking for the
    next one. There is never more than one batch in memory.

    Args:
        connection: A connection without a transaction, at isolation level REPEATABLE READ, or at
            READ COMMITTED where ``locking``. SQLite needs neither.
        catalogue: The metrics whose bounds and direction are known.
        batch_size: How many versions a batch has at most.
        with_index: False for a database that has no index yet.
        locking: Lock what is read against every other writer until the transaction ends.
    """
    registry_scan.begin(connection, locking=False)
    # In a transaction that ends here: each batch begins its own, by its own lock.
    workspaces = registry_scan.workspaces(connection, with_index=with_index)
    connection.rollback()
    for workspace in workspaces:
        span = Span(workspace, after=None, last=None)
        while True:
            span, locks = _after_deadlocks(
                _begin,
                connection,
                workspace,
                span.last,
                batch_size,
                with_index=with_index,
                locking=locking,
            )
            yield _read(connection, catalogue, span, locks, with_index=with_index)
            if span.last is None:
                break


def scan_model(connection: Connection, catalogue: Catalogue, model: ModelId) -> Iterator[Batch]:
    """Every live version of one model likewise, in the transaction of a write that has locked it.

    However many it has, there is never more than one batch in memory.
    """
    last: Position | None = (model.name, 0)
    end = (model.name, _LAST_VERSION)
    while last is not None:
        span = Span(model.workspace, last, end)
        nth = registry_scan.position_at(connection, span, BATCH_SIZE)
        span = Span(model.workspace, last, nth or end)
        yield _read(connection, catalogue, span, None, with_index=True)
        last = nth


def _begin(
    connection: Connection,
    workspace: str,
    after: Position | None,
    batch_size: int,
    *,
    with_index: bool,
    locking: bool,
) -> tuple[Span, Locks | None]:
    """Begin a batch's transaction; one before it may have lost a deadlock with a server."""
    connection.rollback()
    registry_scan.begin(connection, locking=locking)
    span = registry_scan.next_span(connection, workspace, after, batch_size, with_index=with_index)
    return span, index_repair.lock(connection, span) if locking else None


def _read(
    connection: Connection,
    catalogue: Catalogue,
    span: Span,
    locks: Locks | None,
    *,
    with_index: bool,
) -> Batch:
    """One batch; of a locked span only what the locks cover.

    A model that was made, or renamed into the span, after the locks were taken is left out: the
    server that did it has just indexed it, and may be writing to it.
    """
    rows: dict[Position, IndexRow] = {}
    for row, model in registry_scan.read_index(connection, span) if with_index else ():
        position = row["name"], row["version"]
        if locks is None or model in locks.models or position in locks.orphans:
            rows[position] = row
    live = list(registry_scan.read_versions(connection, span))
    tags = registry_scan.read_tags(connection, span, RULED_TAGS)
    contexts = _contexts(connection, catalogue, span)
    findings = registry_scan.read_findings(connection, span) if with_index else {}
    decided = index_repair.read_last_decisions(connection, span) if with_index else {}
    no_token = Context(catalogue=catalogue)
    versions = [
        _scanned(
            span.workspace,
            version,
            tags.get(version.position, {}),
            contexts.get(version.model, no_token),
            rows.pop(version.position, None),
            [
                each
                for each in decided.get(version.position, ())
                if each.creation_time_ms == version.creation_time_ms
            ],
            withheld=_is_withheld(version, findings.get(version.position)),
        )
        for version in live
        if locks is None or version.model in locks.models
    ]
    return Batch(span, versions, [VersionId(span.workspace, *position) for position in rows])


def _contexts(connection: Connection, catalogue: Catalogue, span: Span) -> Mapping[str, Context]:
    """For each registered model with a token of its own, what its versions are judged by."""
    tags = registry_scan.read_model_tags(connection, span, {TOKEN_ID_TAG, PROMPT_TAG})
    return {
        name: Context(own[TOKEN_ID_TAG], catalogue)
        for name, own in tags.items()
        if TOKEN_ID_TAG in own and not is_prompt(own)
    }


def _scanned(
    workspace: str,
    version: LiveVersion,
    tags: Mapping[str, str],
    context: Context,
    row: IndexRow | None,
    decided: Sequence[Decided],
    *,
    withheld: bool,
) -> ScannedVersion:
    return ScannedVersion(
        VersionId(workspace, *version.position),
        version.creation_time_ms,
        tags,
        context,
        token_tags(tags, context),
        row,
        decided,
        withheld,
    )


def _is_withheld(version: LiveVersion, finding: tuple[int, str] | None) -> bool:
    if finding is None:
        return False
    creation_time_ms, codes = finding
    return creation_time_ms == version.creation_time_ms and not _NOT_IN_THE_TAGS.isdisjoint(
        codes.split(",")
    )
