"""The names that models gave up, and so which model a name of some time means today.

Source: R12. MLflow writes into the source of a copy the name that the original had at the time
(``copy_model_version``, MLflow 3.17.2). A rename changes the original's name alone, and another
model can take it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, func, literal, select, union_all

from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.db.schema.tables import model_names
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import upsert

MAX_RENAMES = 32
"""How many renames are followed; a statement each."""

Named = tuple[str, int]
"""A name, and a time in ms at which a model had it."""

_BATCH = 100


def give_up(connection: Connection, model: ModelId, new_name: str | None, now_ms: int) -> None:
    """Put on record that a model has another name from now on, or, with None, is deleted."""
    row = {
        "workspace": model.workspace,
        "name": model.name,
        "until_time": now_ms,
        "new_name": new_name,
    }
    upsert(connection, model_names, sealed(model_names, row))


def name_today(connection: Connection, workspace: str, named: Named) -> str | None:
    """The name today of the model that had a name at a time, as :func:`names_today`."""
    return names_today(connection, workspace, {named})[named]


def names_today(
    connection: Connection, workspace: str, asked: Collection[Named]
) -> dict[Named, str | None]:
    """The names today of the models that had these names at these times.

    A name that nobody gave up since is its own; whether a model has it is not looked at. None for
    a model that was deleted, or renamed more often than is followed.
    """
    today: dict[Named, str | None] = {}
    reached = {each: each for each in asked}
    for _rename in range(MAX_RENAMES + 1):
        given_up = _next_given_up(connection, workspace, set(reached.values()))
        today |= {each: at[0] for each, at in reached.items() if at not in given_up}
        after = {each: given_up[at] for each, at in reached.items() if at in given_up}
        today |= dict.fromkeys(after)
        # From the next moment on: else two models that swapped their names would be followed in
        # a circle.
        reached = {each: (name, ms + 1) for each, (name, ms) in after.items() if name is not None}
        if not reached:
            break
    return today


def _next_given_up(
    connection: Connection, workspace: str, held: Collection[Named]
) -> Mapping[Named, tuple[str | None, int]]:
    """For each name that was given up since its time: for which one, and when, the first time."""
    wanted = sorted(held)
    found: dict[Named, tuple[str | None, int]] = {}
    table, later = model_names, model_names.alias()
    for start in range(0, len(wanted), _BATCH):
        # A subquery for the first one: SQLite has no LIMIT in the parts of a UNION.
        each = (
            select(literal(number).label("number"), table.c.new_name, table.c.until_time).where(
                table.c.workspace == workspace,
                table.c.name == name,
                table.c.until_time
                == select(func.min(later.c.until_time))
                .where(
                    later.c.workspace == workspace,
                    later.c.name == name,
                    later.c.until_time >= since_ms,
                )
                .scalar_subquery(),
            )
            for number, (name, since_ms) in enumerate(wanted[start : start + _BATCH], start)
        )
        for number, new_name, until_ms in connection.execute(union_all(*each)):
            found[wanted[number]] = (new_name, until_ms)
    return found
