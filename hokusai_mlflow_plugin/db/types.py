"""Column types whose values are told apart byte by byte on every database.

MySQL and SQL Server compare strings without case by default, and PostgreSQL sorts them by locale:
two metrics could be mixed up, and a search by prefix could not use the index.
"""

from __future__ import annotations

from sqlalchemy import String
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
