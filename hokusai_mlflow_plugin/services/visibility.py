"""Which registered models an answer may speak of.

The web layer knows who asks; a query gets a :class:`Visible` and leaves out what it hides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import model_names

MayRead = Callable[[str], bool]
"""Whether the asker may read the registered model of this name."""
Row = TypeVar("Row")
Position = TypeVar("Position")

_REFILL = 1000
"""Rows asked for at once where a page has to be filled up."""


class Visible:
    """The models that the asker may read; each name is asked for once."""

    def __init__(
        self,
        may_read: MayRead | None = None,
        may_read_experiment: Callable[[int], bool] | None = None,
    ) -> None:
        self._may_read = may_read
        self._may_read_experiment = may_read_experiment
        self._known: dict[str, bool] = {}
        self._experiments: dict[int, bool] = {}

    @property
    def all(self) -> bool:
        """Whether nothing is hidden, so that nothing needs to be filtered."""
        return self._may_read is None

    def may_read_experiment(self, experiment_id: int | None) -> bool:
        """Whether what was logged in an experiment may be shown; None is one that nobody knows."""
        if self._may_read_experiment is None:
            return True
        if experiment_id is None:
            return False
        if experiment_id not in self._experiments:
            self._experiments[experiment_id] = self._may_read_experiment(experiment_id)
        return self._experiments[experiment_id]

    def __contains__(self, name: object) -> bool:
        if self._may_read is None:
            return True
        if not isinstance(name, str):
            return False
        if name not in self._known:
            self._known[name] = self._may_read(name)
        return self._known[name]


EVERYTHING = Visible()


def stored_name(connection: Connection, workspace: str, name: str) -> str:
    """The name under which the database finds a model, as stored: permissions are given to that."""
    return model_names.stored_names(connection, workspace, {name}).get(name, name)


def fill(
    fetch: Callable[[Position, int], Sequence[Row]],
    position_of: Callable[[Row], Position],
    start: Position,
    count: int,
    is_visible: Callable[[Row], bool],
) -> list[Row]:
    """The first ``count`` visible rows after ``start``, or all that are left.

    Asks for further rows until the page is full, so that a short page means the last one, and a
    next page means a visible row on it: nothing tells how many rows were left out.

    Args:
        fetch: Rows after a position, at most so many.
        position_of: The position of a row.
        start: Where the page begins.
        count: How many rows are wanted.
        is_visible: Whether a row may be shown.
    """
    found: list[Row] = []
    wanted = count
    while len(found) < count:
        rows = fetch(start, wanted)
        found.extend(row for row in rows if is_visible(row))
        if len(rows) < wanted:
            break
        start = position_of(rows[-1])
        # All but a few rows may be hidden: small pages would be a statement each, thousands in all.
        wanted = max(wanted, _REFILL)
    return found[:count]
