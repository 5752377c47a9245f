"""Column types whose values are told apart byte by byte on every database.

MySQL and SQL Server compare strings without case by default, and PostgreSQL sorts them by locale:
two metrics could be mixed up, and a search by prefix could not use the index.
"""

from __future__ import annotations

from sqlalchemy import Connection, String, Text, text
from sqlalchemy.dialects import mssql, mysql, postgresql
from sqlalchemy.types import TypeEngine


def exact_string(length: int) -> TypeEngine[str]:
    """A string column of at most ``length`` characters, compared and sorted by code point."""
    return (
        String(length)
        .with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")
        .with_variant(
            mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
        )
        .with_variant(mssql.NVARCHAR(length, collation="Latin1_General_100_BIN2"), "mssql")
    )


def long_text() -> TypeEngine[str]:
    """A text column; MySQL's ``TEXT`` would end at 64 KiB, which a valid tag can exceed."""
    return Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def as_in_mlflow(connection: Connection, column: str, length: int) -> TypeEngine[str]:
    """The string type of a column of MLflow's ``model_versions``, for joins on it.

    MySQL cannot use an index to join columns of different collations, and MLflow's follow the
    default that the database had when they were made.
    """
    if connection.dialect.name not in ("mysql", "mariadb"):
        return String(length)
    found = connection.execute(
        text(
            "SELECT character_set_name, collation_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = 'model_versions' "
            "AND column_name = :column"
        ),
        {"column": column},
    )
    charset, collation = found.one()
    return mysql.VARCHAR(length, charset=charset, collation=collation)
