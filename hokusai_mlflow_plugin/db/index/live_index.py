"""The token index, joined with the live versions that its rows are of.

The join leaves out rows that another program orphaned (R7), also where a new version has taken the
place of an old one: deleting a workspace and making it anew gives names and numbers away again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, select, true

from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    DELETED_STAGE,
    model_versions,
    same_version,
)
from hokusai_mlflow_plugin.db.schema.tables import token_index


def is_indexed_as(versions: Any, index: Any) -> ColumnElement[bool]:
    """Whether an index row is of a version, and not of an earlier one with its name and number.

    It nearly always is. PostgreSQL would take an equality for one that picks next to nothing, and
    so read all of a token's versions and sort them, for one page; of a ``CASE`` it expects half.
    """
    # The index has 0 where MLflow has NULL: = would leave such versions out of every list.
    created = func.coalesce(versions.c.creation_time, 0)
    is_same = case((index.c.creation_time == created, true()), else_=false())
    return and_(same_version(index, versions), is_same)


IS_INDEXED_AS = is_indexed_as(model_versions, token_index)
LIVE_INDEX = token_index.join(model_versions, IS_INDEXED_AS)
"""To be restricted to ``mlflow_tables.LIVE``."""

OF_LIVE_VERSION = (
    select(model_versions.c.current_stage).where(IS_INDEXED_AS).scalar_subquery() != DELETED_STAGE
)
"""The same as a condition on index rows, looked up row by row. For totals over a range of the
index: joined, PostgreSQL can choose to read all versions for one page."""
