"""What MySQL and MariaDB report otherwise than every other database, in the words for it."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError

from hokusai_mlflow_plugin.db.schema import binary_log
from hokusai_mlflow_plugin.domain.errors import TagsRefused, Violation
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.store.mlflow_compat.database import (
    SqlModelVersionTag,
    SqlRegisteredModelTag,
)
from hokusai_mlflow_plugin.store.mlflow_compat.errors import translate

_DUPLICATE = 1062
_DUPLICATE_BY_CASCADE = (1761, 1762)
"""A foreign key's cascade, such as a rename's, would make a duplicate."""
_STATEMENT_LOG = 1665
_SHOWN_KEYS = 10
_TAG_TABLES = tuple(
    f"INSERT INTO {table.__tablename__} " for table in (SqlModelVersionTag, SqlRegisteredModelTag)
)


def explained(context: ExceptionContext) -> Exception | None:
    """The error to raise in place of the driver's; None to leave that as it is.

    MLflow 3.17 would answer 500 or 503 to each, for which its clients wait and ask again.
    """
    error = context.original_exception
    code = error.args[0] if error.args else None
    if code in _DUPLICATE_BY_CASCADE:  # PyMySQL calls it operational; everywhere else it is this
        return IntegrityError(context.statement, context.parameters, error)
    if code == _DUPLICATE:
        return _two_keys_in_one(context)
    if code == _STATEMENT_LOG:
        return translate(binary_log.StatementLog())
    return None


def _two_keys_in_one(context: ExceptionContext) -> Exception | None:
    """Tags of one request whose keys the database takes for one.

    Several tags go to the database at once only with the version or model that they are of, which
    nobody else can have written tags to: the duplicate is among them.
    """
    rows: Sequence[Mapping[str, Any]] = getattr(
        context.execution_context, "compiled_parameters", ()
    )
    if len(rows) < 2 or not (context.statement or "").startswith(_TAG_TABLES):  # noqa: PLR2004
        return None
    keys = _alike([str(row["key"]) for row in rows])
    listed = ", ".join(map(shown, keys[:_SHOWN_KEYS]))
    message = (
        "Two of the tags have keys that this database takes for one, such as by case, accents or "
        f"blanks at the end: {listed}{', …' if len(keys) > _SHOWN_KEYS else ''}. Send one of them."
    )
    return translate(TagsRefused([Violation(keys[0], "tag_key_duplicate", message)]))


def _alike(keys: Collection[str]) -> list[str]:
    """Those that look alike; all of them where none do: only the database knows."""
    folded: dict[str, list[str]] = {}
    for key in sorted(keys):
        plain = unicodedata.normalize("NFKD", key.rstrip()).casefold()
        bare = "".join(each for each in plain if not unicodedata.combining(each))
        folded.setdefault(bare, []).append(key)
    return next((same for same in folded.values() if len(same) > 1), sorted(keys))
