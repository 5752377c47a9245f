"""The project's own tables.

No foreign key leads to MLflow's tables: it would block MLflow's migrations.
``workspace`` leads every key and index.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table

from hokusai_mlflow_plugin.db.schema.types import exact_string, long_text
from hokusai_mlflow_plugin.db.seals import SEAL, UNSEALED

PREFIX = "hokusai_"
VERSION_TABLE = "alembic_version_hokusai"

metadata = MetaData()


def is_ours(name: str | None, type_: str, _parents: object) -> bool:
    """For Alembic: only our tables are compared; MLflow's live in the same schema."""
    return type_ != "table" or (name or "").startswith(PREFIX)


def _seal() -> Column[str]:
    """Shows an edit past the servers; null only where another program wrote the row."""
    return Column(SEAL, exact_string(64))


token_index = Table(
    "hokusai_token_index",
    metadata,
    # Same type and collation as in MLflow's tables, so that joins use MLflow's primary keys.
    Column("workspace", String(63), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("token_id", exact_string(64), nullable=False),
    Column("benchmark_metric", exact_string(250), nullable=False),
    Column("benchmark_value", exact_string(64), nullable=False),
    Column("contributor_address", exact_string(42)),
    Column("creation_time", BigInteger, nullable=False),
    # The decision in force; none for versions from before the plugin (R13).
    Column("decision_id", exact_string(36)),
)

# list-by-token and the token overview read ranges of it; see db/index/token_pages.py.
Index(
    "ix_hokusai_token_index_token",
    token_index.c.workspace,
    token_index.c.token_id,
    token_index.c.creation_time,
    token_index.c.name,
    token_index.c.version,
)

series = Table(
    "hokusai_series",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("token_id", exact_string(64), primary_key=True),
    Column("benchmark_metric", exact_string(250), primary_key=True),
    Column("direction", String(8), nullable=False),
    Column("baseline_value", exact_string(64), nullable=False),
    # The value to beat, and the decision that set it. It moves by compare-and-swap on that id.
    Column("head_value", exact_string(64), nullable=False),
    Column("head_decision_id", exact_string(36), nullable=False),
    # How often corrections have lowered the head, so that a value which is beaten again is another
    # step; null stands for never.
    Column("falls", Integer),
)

# Which workspaces have a token: of one improvement only one of them is paid (R9). Asked across
# workspaces, so that none leads it.
Index("ix_hokusai_series_token", series.c.token_id, series.c.benchmark_metric)

decisions = Table(
    "hokusai_decisions",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("decision_id", exact_string(36), primary_key=True),
    # A rename moves it, of every version in one statement: so it is not sealed.
    Column("name", String(256), nullable=False, info=UNSEALED),
    # As it was when the decision was taken; the event tells it.
    Column("decided_name", String(256)),
    Column("version", Integer, nullable=False),
    # Tells a version from one of the same name and number that was deleted before it.
    Column("creation_time", BigInteger, nullable=False),
    Column("token_id", exact_string(64), nullable=False),
    Column("benchmark_metric", exact_string(250), nullable=False),
    Column("value", exact_string(64), nullable=False),
    Column("outcome", String(24), nullable=False),
    Column("direction", String(8)),
    Column("baseline_decision_id", exact_string(36)),
    Column("baseline_value", exact_string(64)),
    # From one end of the values' range to the other: a sign, 41 digits, a point, 46 digits (R2).
    Column("improvement_pp", exact_string(96)),
    Column("reason", long_text(), nullable=False),
    Column("evidence", String(16), nullable=False),
    Column("logged_value", exact_string(64)),
    # The decision that it took the place of. One that names itself was never in force on its
    # version: it only carries a head over from a series that was joined into this one (R8).
    Column("supersedes", exact_string(36)),
    Column("decided_time", BigInteger, nullable=False),
    # What it was measured by; none of either before revision 0004.
    Column("unit", String(64)),
    Column("threshold_pp", exact_string(64)),
    # Where the value that it names as logged was logged: who may read that may see it (R14).
    Column("experiment_id", BigInteger),
    # How often corrections had lowered the head of the series; null stands for never.
    Column("falls", Integer),
    # Whose request it came from; null where the server has no users.
    Column("actor", exact_string(255)),
    _seal(),
)

# Pages of what was decided on a version; a rename moves the decisions of a model's versions.
Index(
    "ix_hokusai_decisions_history",
    decisions.c.workspace,
    decisions.c.name,
    decisions.c.version,
    decisions.c.decided_time,
    decisions.c.decision_id,
)
# Whether a version achieved DeltaOne or set a head, however often it was amended (R10).
Index(
    "ix_hokusai_decisions_outcome",
    decisions.c.workspace,
    decisions.c.name,
    decisions.c.version,
    decisions.c.outcome,
)
# Whether a DeltaOne was measured against a decision, which locks its version's tags (R10).
Index("ix_hokusai_decisions_baseline", decisions.c.workspace, decisions.c.baseline_decision_id)

# Pages of one model's history, and of one token's, beside those of hokusai_history.
Index(
    "ix_hokusai_decisions_model",
    decisions.c.workspace,
    decisions.c.name,
    decisions.c.decided_time,
    decisions.c.decision_id,
)
Index(
    "ix_hokusai_decisions_token",
    decisions.c.workspace,
    decisions.c.token_id,
    decisions.c.decided_time,
    decisions.c.decision_id,
)

# Runs that a reward rests on. A run belongs to the whole server, and backs one reward (R14): its
# key makes the second of two that race wait and then know. So no workspace leads it.
paid_runs = Table(
    "hokusai_paid_runs",
    metadata,
    Column("run_id", exact_string(36), primary_key=True),
    Column("workspace", String(63), nullable=False),
    Column("decision_id", exact_string(36), nullable=False),
    # On how many runs that decision rests, so that each of its rows is missed.
    Column("run_count", Integer),
    _seal(),
)

# A revoked reward gives its runs back.
Index("ix_hokusai_paid_runs_decision", paid_runs.c.workspace, paid_runs.c.decision_id)

# Which workspace has a token, and what it is declared for (R18). A token is one on the whole
# server: its key makes the second of two workspaces that race for it wait and then know. So no
# workspace leads it.
tokens = Table(
    "hokusai_tokens",
    metadata,
    Column("token_id", exact_string(64), primary_key=True),
    Column("workspace", String(63), nullable=False),
    Column("claimed_time", BigInteger, nullable=False),
    # Null until it is declared; then a JSON list of canonical names, in order.
    Column("metrics", long_text()),
    Column("ceiling_pp", exact_string(64)),
    Column("declared_time", BigInteger),
    Column("closed_time", BigInteger),
    _seal(),
)

# Who may put a declared token on versions.
token_publishers = Table(
    "hokusai_token_publishers",
    metadata,
    Column("token_id", exact_string(64), primary_key=True),
    Column("publisher", exact_string(255), primary_key=True),
    Column("granted_time", BigInteger, nullable=False),
    _seal(),
)

# What happened to tokens and to models with tokenised versions, when and by whom; append only. What
# was decided stands in the decisions.
history = Table(
    "hokusai_history",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("entry_id", exact_string(36), primary_key=True),
    Column("entry_time", BigInteger, nullable=False),
    Column("action", String(24), nullable=False),
    # Null where the server has no users.
    Column("actor", exact_string(255)),
    Column("token_id", exact_string(64)),
    # A rename moves it, of every entry of a model in one statement: so it is not sealed.
    Column("name", String(256), info=UNSEALED),
    Column("version", Integer),
    # What the action was about, as a JSON object.
    Column("details", long_text(), nullable=False),
    _seal(),
)

# Pages of one token's history, and of one model's.
Index(
    "ix_hokusai_history_token",
    history.c.workspace,
    history.c.token_id,
    history.c.entry_time,
    history.c.entry_id,
)
Index(
    "ix_hokusai_history_model",
    history.c.workspace,
    history.c.name,
    history.c.entry_time,
    history.c.entry_id,
)

ledgers = Table(
    "hokusai_reward_ledgers",
    metadata,
    Column("workspace", String(63), primary_key=True),
    # Makes event ids differ from those of any other registry.
    Column("ledger_id", exact_string(36), nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("last_hash", exact_string(64), nullable=False),
    # Up to which event the totals of payees go, and the notes of runs. The release before does not
    # move it on, so that what it appends is added later.
    Column("totalled_sequence", BigInteger),
    # How many settlements there are, so that one which is deleted is missed; null stands for none.
    Column("settled_count", BigInteger),
)

# What payees earned, so that asking costs the same however long the ledger is.
payee_totals = Table(
    "hokusai_payee_totals",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("token_id", exact_string(64), primary_key=True),
    Column("benchmark_metric", exact_string(250), primary_key=True),
    Column("address", exact_string(42), primary_key=True),
    Column("deltaone_count", BigInteger, nullable=False),
    # A sum of shares, each with four more digits after the point than an improvement (R2).
    Column("improvement_pp", exact_string(128), nullable=False),
    _seal(),
)

reward_events = Table(
    "hokusai_reward_events",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", exact_string(36), nullable=False),
    Column("type", String(64), nullable=False),
    Column("event_time", BigInteger, nullable=False),
    Column("token_id", exact_string(64), nullable=False),
    Column("decision_id", exact_string(36), nullable=False),
    Column("data", long_text(), nullable=False),
    Column("previous_hash", exact_string(64), nullable=False),
    Column("hash", exact_string(64), nullable=False),
)

# A second event for one step of one series is impossible, whatever the code above does.
Index(
    "uq_hokusai_reward_events_event_id",
    reward_events.c.workspace,
    reward_events.c.event_id,
    unique=True,
)
# The feed of one token.
Index(
    "ix_hokusai_reward_events_token",
    reward_events.c.workspace,
    reward_events.c.token_id,
    reward_events.c.sequence,
)

# What the event of a correction was made of, and who made it, which no event tells (R19).
corrections = Table(
    "hokusai_reward_corrections",
    metadata,
    Column("workspace", String(63), primary_key=True),
    # Of the correction itself.
    Column("event_id", exact_string(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    # The event that it corrects; null where it corrects a series.
    Column("of_event_id", exact_string(36)),
    # The decision that earned that event, or that held the head of the series until then.
    Column("of_decision_id", exact_string(36), nullable=False),
    Column("reason", long_text(), nullable=False),
    # Null where the server has no users, or where it was corrected on the database itself.
    Column("actor", String(256)),
    Column("corrected_time", BigInteger, nullable=False),
    _seal(),
)

# Whether an event stands, and who its payees are now.
Index("ix_hokusai_reward_corrections_event", corrections.c.workspace, corrections.c.of_event_id)
# Whether a reward still rests on a decision, which locks tags (R10).
Index(
    "ix_hokusai_reward_corrections_decision",
    corrections.c.workspace,
    corrections.c.of_decision_id,
)

# An event that waits for a second pair of eyes, and what those saw (R20): two rows, never changed.
# The key lets one of two reviewers decide.
reviews = Table(
    "hokusai_reward_reviews",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("event_id", exact_string(36), primary_key=True),
    Column("step", String(16), primary_key=True),
    # What was decided; null where the review was asked for.
    Column("verdict", String(16)),
    Column("reason", long_text()),
    # Who registered the version, or who reviewed its event.
    Column("actor", String(256)),
    Column("review_time", BigInteger, nullable=False),
    _seal(),
)

# What the reward service did about an event, once and for all (R20).
settlements = Table(
    "hokusai_reward_settlements",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("event_id", exact_string(36), primary_key=True),
    Column("status", String(16), nullable=False),
    # What the reward service knows it by, e.g. the hash of a transaction.
    Column("reference", exact_string(256), nullable=False),
    Column("actor", String(256)),
    Column("settled_time", BigInteger, nullable=False),
    _seal(),
)

deliveries = Table(
    "hokusai_reward_deliveries",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_time", BigInteger, nullable=False),
    # How many attempts had been made when the event was last replayed by hand.
    Column("replayed_after", Integer, nullable=False),
    _seal(),
)

# The dispatcher claims what is due, oldest first.
Index("ix_hokusai_reward_deliveries_due", deliveries.c.status, deliveries.c.next_attempt_time)

delivery_attempts = Table(
    "hokusai_reward_attempts",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("attempt_time", BigInteger, nullable=False),
    Column("http_status", Integer),
    Column("error", long_text()),
    _seal(),
)

# What each ledger was at a time, signed (R21). The newest one is published; older ones show when
# their keys were in use.
checkpoints = Table(
    "hokusai_reward_checkpoints",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("checkpoint_time", BigInteger, primary_key=True, autoincrement=False),
    # The signed note, and the keys that signed it, one to a line.
    Column("note", long_text(), nullable=False),
    Column("public_keys", long_text(), nullable=False),
    _seal(),
)

policy_findings = Table(
    "hokusai_policy_findings",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("name", String(256), primary_key=True),
    # 0 for a finding on the registered model itself.
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("codes", String(500), nullable=False),
    Column("message", long_text(), nullable=False),
    Column("found_time", BigInteger, nullable=False),
    Column("actor", exact_string(255)),
    _seal(),
)

# What the last verification of a ledger found, for who looks at it; pages run none themselves.
verifications = Table(
    "hokusai_verifications",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("verified_time", BigInteger, nullable=False),
    # The last event that there was then.
    Column("last_sequence", BigInteger, nullable=False),
    Column("fault_count", Integer, nullable=False),
    # The first of them, as JSON.
    Column("faults", long_text(), nullable=False),
    _seal(),
)

# Until when a model had a name: the source of a copy keeps the one that its original had (R12).
# Only of models that have, or had, tokenised versions.
model_names = Table(
    "hokusai_model_names",
    metadata,
    Column("workspace", String(63), primary_key=True),
    Column("name", String(256), primary_key=True),
    # When the model gave the name up.
    Column("until_time", BigInteger, primary_key=True, autoincrement=False),
    # Null where it was deleted: who has the name afterwards is another model.
    Column("new_name", String(256)),
    _seal(),
)

state = Table(
    "hokusai_state",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("value", String(32), nullable=False),
    _seal(),
)
