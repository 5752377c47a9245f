"""What a version is judged by: its model's token, the token's owner and the head of its series."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, select

from hokusai_mlflow_plugin.db.keys import ModelId, SeriesId
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    registered_model_tags,
    registered_models,
)
from hokusai_mlflow_plugin.db.schema.tables import decisions, series, token_publishers, tokens
from hokusai_mlflow_plugin.domain.errors import DamagedSeries
from hokusai_mlflow_plugin.domain.ownership import Ownership
from hokusai_mlflow_plugin.domain.tag_faults import PROMPT_TAG
from hokusai_mlflow_plugin.domain.tags import is_prompt
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG


@dataclass(frozen=True)
class SeriesHead:
    """The head of a series as the database has it."""

    direction: str
    value: str
    decision_id: str
    name: str
    version: int
    creation_time_ms: int
    """That of the version: it tells it from an earlier one of the same name and number."""
    falls: int = 0
    """How often corrections have lowered it (R19)."""


@dataclass(frozen=True)
class Surroundings:
    """What a version is judged by, besides its own tags."""

    model_token: str | None
    head: SeriesHead | None
    owner: Ownership | None = None
    """Who has the token; None where nobody has it yet."""


def read_surroundings(
    connection: Connection, model: ModelId, key: SeriesId, user: str | None = None
) -> Surroundings:
    """The token of a version's model, its owner and the head of its series, in one statement.

    Args:
        connection: The write's connection.
        model: The version's model.
        key: Its series.
        user: Who is asked about whether he may put the token on versions.

    Raises:
        DamagedSeries: The decision that set the head is gone.
    """
    given = {
        "workspace": model.workspace,
        "model": model.name,
        "token_id": key.token_id,
        "benchmark_metric": key.benchmark_metric,
        "user": user,
    }
    row = connection.execute(_SURROUNDINGS, given).one_or_none()
    if row is None:
        return Surroundings(None, None)
    # MySQL finds a key in any case.
    is_own = row.token_key == TOKEN_ID_TAG and not is_prompt({PROMPT_TAG: row.prompt or ""})
    head = None
    if row.head_value is not None:
        if row.name is None:
            # Not as if there were no head: the series would begin anew, and pay for steps that were
            # paid.
            raise DamagedSeries(key.token_id, key.benchmark_metric)
        head = SeriesHead(
            row.direction,
            row.head_value,
            row.head_decision_id,
            row.name,
            row.version,
            row.creation_time,
            row.falls or 0,
        )
    owner = None if row.owner_workspace is None else ownership_of(row)
    return Surroundings(row.token if is_own else None, head, owner)


def ownership_of(row: Any) -> Ownership:
    """What a row says that has ``owner_workspace`` and the columns of a token beside it."""
    return Ownership(
        row.owner_workspace,
        None if row.metrics is None else frozenset(json.loads(row.metrics)),
        row.ceiling_pp,
        row.closed_time is not None,
        bool(row.is_publisher),
    )


def _tag_of(models: Any, tags: Any, key: str) -> Any:
    return and_(
        tags.c.workspace == models.c.workspace, tags.c.name == models.c.name, tags.c.key == key
    )


# As an expression of the model's row, because SQLAlchemy takes a join on a parameter alone for a
# forgotten condition (on MySQL).
_GIVEN_TOKEN = case(
    (registered_models.c.name.is_not(None), bindparam("token_id", type_=tokens.c.token_id.type))
)
_token_tag, _prompt_tag = registered_model_tags.alias(), registered_model_tags.alias()
_SURROUNDINGS = (
    select(
        _token_tag.c.key.label("token_key"),
        _token_tag.c.value.label("token"),
        _prompt_tag.c.value.label("prompt"),
        series.c.direction,
        series.c.head_value,
        series.c.head_decision_id,
        series.c.falls,
        decisions.c.name,
        decisions.c.version,
        decisions.c.creation_time,
        tokens.c.workspace.label("owner_workspace"),
        tokens.c.metrics,
        tokens.c.ceiling_pp,
        tokens.c.closed_time,
        token_publishers.c.publisher.is_not(None).label("is_publisher"),
    )
    .select_from(
        # From the model, outer joins all the way: one row comes also where the model has no token,
        # or the series no head. A statement for each would be two more for every tokenised write.
        registered_models.outerjoin(
            _token_tag, _tag_of(registered_models, _token_tag, TOKEN_ID_TAG)
        )
        .outerjoin(_prompt_tag, _tag_of(registered_models, _prompt_tag, PROMPT_TAG))
        .outerjoin(
            series,
            and_(
                series.c.workspace == registered_models.c.workspace,
                series.c.token_id == bindparam("token_id"),
                series.c.benchmark_metric == bindparam("benchmark_metric"),
            ),
        )
        .outerjoin(
            decisions,
            and_(
                decisions.c.workspace == series.c.workspace,
                decisions.c.decision_id == series.c.head_decision_id,
            ),
        )
        .outerjoin(tokens, tokens.c.token_id == _GIVEN_TOKEN)
        .outerjoin(
            token_publishers,
            and_(
                token_publishers.c.token_id == tokens.c.token_id,
                token_publishers.c.publisher == bindparam("user"),
            ),
        )
    )
    .where(
        registered_models.c.workspace == bindparam("workspace"),
        registered_models.c.name == bindparam("model"),
    )
)
