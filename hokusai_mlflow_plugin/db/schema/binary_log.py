"""Whether MySQL's binary log can hold what the registry writes."""

from __future__ import annotations

from sqlalchemy import Connection, text

from hokusai_mlflow_plugin.domain.errors import HokusaiError

_FORMAT = text("SHOW GLOBAL VARIABLES WHERE variable_name IN ('log_bin', 'binlog_format')")


class StatementLog(HokusaiError):
    """The server logs statements, which InnoDB refuses at READ COMMITTED (error 1665)."""

    def __init__(self) -> None:
        super().__init__(
            "The database server logs statements (binlog_format=STATEMENT), and so cannot take "
            "what the registry writes at isolation level READ COMMITTED: set binlog_format=ROW in "
            "the server's configuration and SET GLOBAL binlog_format = 'ROW', then start again."
        )


def require_row_log(connection: Connection) -> None:
    """Make sure that the database takes writes at READ COMMITTED.

    Raises:
        StatementLog: It does not.
    """
    if connection.dialect.name not in ("mysql", "mariadb"):
        return
    found = {str(name).lower(): str(value).upper() for name, value in connection.execute(_FORMAT)}
    if found.get("log_bin") == "ON" and found.get("binlog_format") == "STATEMENT":
        raise StatementLog
