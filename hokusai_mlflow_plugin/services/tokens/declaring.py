"""Declaring tokens: what they pay for, who may use them, and that nobody may any more.

Each call is one transaction, and puts on record who made it. Source: R18.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.history import history_rows
from hokusai_mlflow_plugin.db.history.history_rows import Entry
from hokusai_mlflow_plugin.db.tokens import token_owners
from hokusai_mlflow_plugin.domain.errors import (
    InvalidRequest,
    TokenElsewhere,
    TokenNotDeclared,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.metrics import check_known_metric, check_metric_name
from hokusai_mlflow_plugin.domain.tokens import require_token_id, shown
from hokusai_mlflow_plugin.domain.values import RANGE_TEXT, parse_benchmark_value, plain
from hokusai_mlflow_plugin.services.tokens.declarations import declaration_json
from hokusai_mlflow_plugin.settings import Settings

MAX_METRICS = 100
MAX_PUBLISHERS = 1000
"""Of one token, so that each answer can name all of them."""
MAX_PUBLISHER_LENGTH = 255

Json = dict[str, Any]


def declare(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    token_id: str,
    metrics: Sequence[str],
    publishers: Sequence[str] | None = None,
    ceiling_pp: str | None = None,
    reassign: bool = False,
) -> Json:
    """Declare a token, or declare it anew: also one that was closed.

    Args:
        connection: That of a transaction of its own.
        workspace: The workspace that the token belongs to from now on.
        settings: Those of the registry.
        actor: Who declares it; None where the server has no users.
        token_id: The token.
        metrics: The metrics that it pays for.
        publishers: Who may put it on versions; None leaves that as it is, or nobody where it is
            taken from another workspace.
        ceiling_pp: The most points that one event may be worth without a review; None for no
            ceiling.
        reassign: Whether to take it from another workspace.

    Returns:
        ``declaration``, as :func:`declarations.get_declaration` has it.

    Raises:
        InvalidRequest: A parameter cannot be used.
        TokenElsewhere: Another workspace has the token.
    """
    require_token_id(token_id)
    names = _canonical(metrics, settings.catalogue)
    wanted = None if publishers is None else _users(publishers)
    ceiling = None if ceiling_pp is None else _ceiling(ceiling_pp)
    now_ms = _now_ms()
    row = token_owners.lock_token(connection, token_id)
    if row is None:
        token_owners.claim(connection, workspace, token_id, now_ms)
        row = token_owners.lock_token(connection, token_id)
        assert row is not None  # noqa: S101  # it was just claimed, here or by another
    entries = []
    if row["workspace"] != workspace:
        if not reassign:
            raise TokenElsewhere(token_id)
        details = {"from_workspace": row["workspace"]}
        entries.append(_entry(workspace, "token_reassigned", now_ms, actor, token_id, details))
        wanted = wanted or []  # who was trusted there is not by that trusted here
    changed = {
        "workspace": workspace,
        "metrics": token_owners.metrics_text(names),
        "ceiling_pp": ceiling,
        "declared_time": now_ms,
        "closed_time": None,
    }
    token_owners.put_token(connection, {**row, **changed})
    details = {"metrics": sorted(names), "ceiling_pp": ceiling, "publishers": wanted}
    entries.append(_entry(workspace, "token_declared", now_ms, actor, token_id, details))
    if wanted is not None:
        before = set(token_owners.read_publishers(connection, token_id))
        token_owners.remove_publishers(connection, token_id, before - set(wanted))
        token_owners.add_publishers(connection, token_id, set(wanted) - before, now_ms)
    history_rows.write(connection, entries)
    return declaration_json(connection, workspace, token_id, settings)


def grant(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    token_id: str,
    publishers: Sequence[str],
) -> Json:
    """Let users put a declared token on versions; who may already stays.

    Raises:
        InvalidRequest: A parameter cannot be used.
        TokenNotDeclared: The token is not declared in this workspace.
    """
    _declared(connection, workspace, token_id)
    users, now_ms = _users(publishers), _now_ms()
    before = set(token_owners.read_publishers(connection, token_id))
    _require_room(len(before | set(users)))
    token_owners.add_publishers(connection, token_id, set(users) - before, now_ms)
    _record(connection, workspace, "token_granted", actor, token_id, {"publishers": users})
    return declaration_json(connection, workspace, token_id, settings)


def revoke(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    token_id: str,
    publishers: Sequence[str],
) -> Json:
    """Let users put a declared token on versions no more.

    Raises:
        InvalidRequest: A parameter cannot be used, or one of them is no publisher.
        TokenNotDeclared: The token is not declared in this workspace.
    """
    _declared(connection, workspace, token_id)
    users = _users(publishers)
    if unknown := set(users).difference(token_owners.read_publishers(connection, token_id)):
        # A name that was mistyped would go on publishing.
        listed = ", ".join(shown(each) for each in sorted(unknown)[:10])
        raise InvalidRequest(f"No publisher of token {token_id}: {listed}. Nothing was changed.")
    token_owners.remove_publishers(connection, token_id, users)
    _record(connection, workspace, "token_revoked", actor, token_id, {"publishers": users})
    return declaration_json(connection, workspace, token_id, settings)


def close(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    token_id: str,
) -> Json:
    """Let nobody put a declared token on versions any more; what it earned stays.

    Raises:
        InvalidRequest: The token id is malformed.
        TokenNotDeclared: The token is not declared in this workspace.
    """
    row = _declared(connection, workspace, token_id)
    if row["closed_time"] is None:
        token_owners.put_token(connection, {**row, "closed_time": _now_ms()})
        _record(connection, workspace, "token_closed", actor, token_id, {})
    return declaration_json(connection, workspace, token_id, settings)


def _declared(connection: Connection, workspace: str, token_id: str) -> RowMapping:
    require_token_id(token_id)
    row = token_owners.lock_token(connection, token_id)
    if row is None or row["workspace"] != workspace or row["metrics"] is None:
        raise TokenNotDeclared(token_id)
    return row


def _canonical(metrics: Sequence[str], catalogue: Catalogue) -> list[str]:
    """The canonical names of metrics, each once."""
    if not 1 <= len(metrics) <= MAX_METRICS:
        raise InvalidRequest(
            f"Parameter metrics names {len(metrics)} metrics; name 1 to {MAX_METRICS}."
        )
    for name in metrics:
        fault = check_metric_name(name, catalogue) or check_known_metric(name, catalogue)
        if fault is not None:
            raise InvalidRequest(fault.message.replace(" in tag benchmark_metric", ""))
    return list({catalogue.canonical(name): None for name in metrics})


def _users(publishers: Sequence[str]) -> list[str]:
    """Names of users, each once."""
    _require_room(len(publishers))
    for name in publishers:
        if not 1 <= len(name) <= MAX_PUBLISHER_LENGTH or any(map(_is_odd, name)):
            raise InvalidRequest(
                f"Publisher {shown(name)} is no user's name: use 1 to {MAX_PUBLISHER_LENGTH} "
                "characters, none of them a control character."
            )
        if name != name.strip():
            raise InvalidRequest(f"Publisher {shown(name)} has white space at an end.")
    return list(dict.fromkeys(publishers))


def _is_odd(character: str) -> bool:
    return unicodedata.category(character)[0] == "C"


def _require_room(count: int) -> None:
    if count > MAX_PUBLISHERS:
        raise InvalidRequest(f"A token has at most {MAX_PUBLISHERS} publishers, not {count}.")


def _ceiling(text: str) -> str:
    points = parse_benchmark_value(text)
    if points is None or points <= 0:
        raise InvalidRequest(
            f"Parameter ceiling_pp is {shown(text)}; use a number of percentage points above 0, "
            f"such as '5': {RANGE_TEXT}."
        )
    return plain(points)


def _record(
    connection: Connection,
    workspace: str,
    action: str,
    actor: str | None,
    token_id: str,
    details: Mapping[str, Any],
) -> None:
    entry = _entry(workspace, action, _now_ms(), actor, token_id, details)
    history_rows.write(connection, [entry])


def _entry(
    workspace: str,
    action: str,
    now_ms: int,
    actor: str | None,
    token_id: str,
    details: Mapping[str, Any],
) -> Entry:
    return Entry(workspace, action, now_ms, actor, token_id, details=details)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


COMMANDS: Mapping[str, Callable[..., Json]] = {
    "tokens/declare": declare,
    "tokens/grant": grant,
    "tokens/revoke": revoke,
    "tokens/close": close,
}
"""By route."""
