"""Server processes that start at once on a database that nobody has prepared."""

from __future__ import annotations

from concurrency.opening import open_together

PROCESSES = 8


def test_beside_mlflows_tables(stock_database_uri):
    """Eight processes open a database of MLflow's: all succeed, and each migration runs once."""
    ran = open_together(stock_database_uri, PROCESSES)
    assert len(ran) == len(set(ran)) > 0
    assert open_together(stock_database_uri, PROCESSES) == []


def test_on_an_empty_database(empty_database_uri):
    """The same where MLflow's own tables are not there yet."""
    ran = open_together(empty_database_uri, PROCESSES)
    assert len(ran) == len(set(ran)) > 0
    assert open_together(empty_database_uri, PROCESSES) == []
