"""The name of a registered model as it is stored, for rows that may have another spelling of it.

Source: R4. MySQL and SQL Server take names that differ in case or trailing blanks for one, so rows
of a model can have several. Answers and permissions go by the model's own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, String, literal, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.selectable import FromClause

from hokusai_mlflow_plugin.db.schema.mlflow_tables import registered_models

_LOOSE = ("mysql", "mariadb", "mssql")
_BATCH = 100


class OwnName(ColumnElement[str]):
    """The name of the registered model that a row is of.

    Costs nothing where the database compares exactly: there it is the row's own name.
    """

    # SQLAlchemy knows nothing of the two columns below: from its cache a query of one table would
    # get the SQL of another.
    inherit_cache = False
    type = String(256)

    def __init__(self, table: FromClause) -> None:
        self.name_column: Any = table.c.name
        models = registered_models.alias()
        same = models.c.workspace == table.c.workspace, models.c.name == table.c.name
        self.looked_up = select(models.c.name).where(*same).correlate(table).scalar_subquery()

    @property
    def _from_objects(self) -> Any:
        # Without it the element would seem to be of no table, and its table would miss in FROM.
        return self.name_column._from_objects


def own_name(table: FromClause) -> Any:
    """The column ``name`` of rows, in the spelling of their registered model."""
    return OwnName(table).label("name")


@compiles(OwnName)
def _as_it_is(element: OwnName, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.name_column, **options))


@compiles(OwnName, *_LOOSE)
def _look_up(element: OwnName, compiler: Any, **options: Any) -> str:
    name = compiler.process(element.name_column, **options)
    return f"COALESCE({compiler.process(element.looked_up, **options)}, {name})"


def stored_names(connection: Connection, workspace: str, asked: set[str]) -> dict[str, str]:
    """For each name that finds a registered model, that model's own name.

    Costs nothing where the database compares exactly.
    """
    if connection.dialect.name not in _LOOSE:
        return {name: name for name in asked}
    names = sorted(asked)
    found: dict[str, str] = {}
    table = registered_models
    for start in range(0, len(names), _BATCH):
        each = (
            select(literal(number).label("number"), table.c.name).where(
                table.c.workspace == workspace, table.c.name == name
            )
            for number, name in enumerate(names[start : start + _BATCH], start)
        )
        rows = connection.execute(union_all(*each))
        found |= {names[number]: stored for number, stored in rows}
    return found
