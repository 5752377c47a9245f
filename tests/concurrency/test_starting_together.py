"""Server processes that start at once on a database that nobody has prepared."""

from __future__ import annotations

from collections import Counter

from concurrency.opening import open_together

PROCESSES = 8


def migrations_of_all(database_uri):
    """How often each migration ran, where every process succeeded."""
    opened = open_together(database_uri, PROCESSES)
    assert [each.error for each in opened if each.error] == []
    return Counter(message for each in opened for message in each.migrations)


def test_beside_mlflows_tables(database_uri):
    """Eight processes open a database of MLflow's: all succeed, and each migration runs once."""
    ran = migrations_of_all(database_uri)
    assert set(ran.values()) == {1}
    assert migrations_of_all(database_uri) == {}


def test_on_an_empty_database(empty_database_uri):
    """The same where MLflow's own tables are not there yet."""
    ran = migrations_of_all(empty_database_uri)
    assert set(ran.values()) == {1}
    assert migrations_of_all(empty_database_uri) == {}
