"""The name of a registered model as it is stored, for rows that may have another spelling of it.

Source: R4. MySQL and SQL Server take names that differ in case or trailing blanks for one, so rows
of a model can have several. Answers and permissions go by the model's own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, String, literal, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import FromClause

from hokusai_mlflow_plugin.db.schema.mlflow_tables import registered_models

_LOOSE = ("mysql", "mariadb", "mssql")
_BATCH = 100


class OwnName(FunctionElement[str]):
    """The name of the registered model that a row is of.

    Costs nothing where the database compares exactly: there it is the row's own name.
    """

    # Both arguments are the function's own, so that SQLAlchemy tells one table's statement from
    # another's and compiles each once. False would compile every page anew: half of its time.
    inherit_cache = True
    name = "own_name"
    type = String(256)

    def __init__(self, table: FromClause) -> None:
        models = registered_models.alias()
        same = models.c.workspace == table.c.workspace, models.c.name == table.c.name
        looked_up = select(models.c.name).where(*same).correlate(table).scalar_subquery()
        super().__init__(table.c.name, looked_up)


def own_name(table: FromClause) -> Any:
    """The column ``name`` of rows, in the spelling of their registered model."""
    return OwnName(table).label("name")


@compiles(OwnName)
def _as_it_is(element: OwnName, compiler: Any, **options: Any) -> str:
    name, _looked_up = element.clauses
    return str(compiler.process(name, **options))


@compiles(OwnName, *_LOOSE)
def _look_up(element: OwnName, compiler: Any, **options: Any) -> str:
    name, looked_up = (compiler.process(clause, **options) for clause in element.clauses)
    return f"COALESCE({looked_up}, {name})"


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
