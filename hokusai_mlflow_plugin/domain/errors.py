"""What can be wrong with a request, one class per fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One fault of one tag: its key, a code for programs, a sentence for people."""

    key: str
    code: str
    message: str


class HokusaiError(Exception):
    """Root of every error that this project raises on purpose."""


class InvalidRequest(HokusaiError, ValueError):
    """A parameter of a request cannot be used as it was given."""


class ModelNotFound(HokusaiError, LookupError):
    """No registered model has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Registered Model with name={name} not found")
        self.name = name


class TokenNotFound(HokusaiError, LookupError):
    """No live tokenised version carries this token."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"No model version is registered under token {token_id}.")
        self.token_id = token_id


class TagsRefused(HokusaiError, ValueError):
    """A write would break the tag rules; every fault found is in one message.

    Source: R6.
    """

    def __init__(self, violations: Sequence[Violation], subject: str = "") -> None:
        self.violations = tuple(violations)
        prefix = f"{subject}: " if subject else ""
        if len(self.violations) == 1:
            text = self.violations[0].message
        else:
            faults = " ".join(f"({n}) {v.message}" for n, v in enumerate(self.violations, 1))
            text = f"{len(self.violations)} faults. {faults}"
        super().__init__(prefix + text)


class NotAPublisher(TagsRefused):
    """A write is well-formed, and its sender may not put the token on versions (R18)."""


class TokenNotDeclared(HokusaiError, LookupError):
    """A token has no declaration that could be read or changed."""

    def __init__(self, token_id: str) -> None:
        super().__init__(
            f"Token {token_id} is not declared in this workspace. Declare it with 'hokusai-mlflow "
            f"token declare {token_id} --metric METRIC'."
        )
        self.token_id = token_id


class TokenElsewhere(HokusaiError, ValueError):
    """A token cannot be declared here, because another workspace has it (R18)."""

    def __init__(self, token_id: str) -> None:
        super().__init__(
            f"Token {token_id} belongs to another workspace of this server. To assign it to this "
            "one, declare it with 'reassign' (command line: --reassign)."
        )
        self.token_id = token_id


class DamagedSeries(HokusaiError):
    """A series' head rests on a decision that somebody removed: nothing can be decided."""

    def __init__(self, token_id: str, metric: str) -> None:
        super().__init__(
            f"The series {token_id} {metric} is damaged: the decision that set its head is gone "
            "from the database. Nothing is decided in it until an administrator has run "
            "'hokusai-mlflow rewards verify' and restored what is missing."
        )


class SchemaMismatch(HokusaiError):
    """The database's Hokusai tables are not those that this release works with."""


class MigrationBlocked(HokusaiError, TimeoutError):
    """A migration was given up, and the tables can be used as before."""

    def __init__(self, table_s: float, statement_s: float) -> None:
        super().__init__(
            "The Hokusai tables could not be migrated: another transaction kept a table locked for "
            f"{table_s:g} seconds, or a statement took longer than {statement_s:g} seconds. They "
            "can be used as before. Find that transaction in pg_stat_activity (PostgreSQL) or SHOW "
            "FULL PROCESSLIST (MySQL), end it, and migrate again."
        )


class InvalidKey(HokusaiError, ValueError):
    """A text is no key of a signed note."""


class InvalidNote(HokusaiError, ValueError):
    """A text is no signed note, or none of a ledger, or signed by nobody who is trusted."""


class NoCheckpoint(HokusaiError, LookupError):
    """No checkpoint of a workspace's ledger was made yet."""

    def __init__(self, workspace: str) -> None:
        super().__init__(
            f"There is no checkpoint of workspace {workspace}. "
            "'hokusai-mlflow rewards checkpoint' makes them, from the first reward event on."
        )


class LedgerRewritten(HokusaiError):
    """A ledger does not go on from a checkpoint of it, so that nothing more is signed."""

    def __init__(self, workspace: str, reason: str) -> None:
        super().__init__(
            f"The ledger of workspace {workspace} was not signed: {reason} Keep the database and "
            "the checkpoint as they are, and run 'hokusai-mlflow rewards verify'."
        )


class DamagedLedger(HokusaiError):
    """An event of a ledger, or a checkpoint, cannot be read."""

    def __init__(self, workspace: str, what: str) -> None:
        super().__init__(
            f"{what} of workspace {workspace} cannot be read any more: somebody edited it. "
            "'hokusai-mlflow rewards verify' names what differs."
        )


class SettingsError(HokusaiError, ValueError):
    """An environment variable has a value that cannot be used."""


class ReceiverGone(HokusaiError):
    """The receiver of reward events answered 410: it is not to be sent anything any more."""

    def __init__(self) -> None:
        super().__init__(
            "The receiver answered 410 Gone, so deliveries to it have stopped; the events wait. "
            "Set HOKUSAI_REWARD_WEBHOOK_URL to another receiver, or, where this one is back, run "
            "'hokusai-mlflow rewards dispatch --resume'."
        )


class ReceiverUnresolved(HokusaiError):
    """The name of the receiver of reward events is not known to the resolver, perhaps not yet."""

    def __init__(self) -> None:
        super().__init__("The name of the receiver in HOKUSAI_REWARD_WEBHOOK_URL does not resolve.")


class OtherCatalogue(HokusaiError):
    """The registry was indexed with another metric catalogue than this process has."""

    def __init__(self, *, with_built_in: bool) -> None:
        found = "the built-in metrics alone" if with_built_in else "another HOKUSAI_METRICS_FILE"
        super().__init__(
            f"The registry is indexed with {found}, so nothing was compared: every difference "
            "could be one of the catalogue. Set HOKUSAI_METRICS_FILE to the file of the servers. "
            "If that file has changed, restart a server with it first, then run this again."
        )


class TagsLocked(HokusaiError, ValueError):
    """Tags that a reward rests on would change (R10)."""

    def __init__(self, subject: str, keys: Sequence[str]) -> None:
        super().__init__(
            f"{subject}: a DeltaOne rests on this version, so its {', '.join(keys)} cannot change "
            "any more. Register a new version instead."
        )
        self.keys = tuple(keys)


class SeriesNotFound(HokusaiError, LookupError):
    """No value of this metric was ever decided on under this token."""

    def __init__(self, token_id: str, metric: str) -> None:
        super().__init__(f"Token {token_id} has no series of a metric {metric!r}.")


class EventNotFound(HokusaiError, LookupError):
    """No event of the workspace has this id, or none that the asker may read."""

    def __init__(self, event_id: str) -> None:
        super().__init__(f"No reward event has the id {event_id}.")
        self.event_id = event_id


class ReviewerNotAllowed(HokusaiError):
    """Who made a version may not decide on its reward (R20)."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "You registered the version of this event, or wrote its tags, so somebody else has to "
            f"{what}."
        )


class CorrectionRefused(HokusaiError, ValueError):
    """What was asked for contradicts what the ledger says already (R19, R20)."""


class ConcurrentWrite(HokusaiError):
    """Other writers were faster: what this one had read is not so any more."""
