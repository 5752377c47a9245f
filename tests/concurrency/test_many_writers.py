"""Many writers at once in one place: nobody's write is lost, and the numbers have no gaps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.index import assert_index_is_truth, indexed_versions
from support.registry import create_model, create_version, token_tags
from support.rewards import assert_sound

WRITERS = 32
EACH = 20


@pytest.fixture
def store(store_factory):
    """A store with a connection for each writer, so that all of them are in the database."""
    return store_factory(MLFLOW_SQLALCHEMYSTORE_POOL_SIZE=str(WRITERS))


def in_parallel(write):
    """What every call of ``write(writer, number)`` returned, each writer's in a thread."""

    def writer(own: int):
        return [write(own, number) for number in range(EACH)]

    with ThreadPoolExecutor(WRITERS) as threads:
        return [result for results in threads.map(writer, range(WRITERS)) for result in results]


def test_versions_of_one_model(store):
    """32 writers make 20 versions each of one model: 640 versions, numbered from 1 to 640."""
    create_model(store)
    versions = in_parallel(lambda writer, number: create_version(store, tags={}).version)
    assert sorted(versions) == list(range(1, WRITERS * EACH + 1))


def test_tokenised_versions_in_one_series(store):
    """The same in one series, where each is decided on against what the ones before it left.

    Every value is better than every value of a lower number by at least a DeltaOne, so the head
    climbs whatever the order.
    """
    create_model(store)

    def write(writer: int, number: int):
        value = f"{1000 - 10 * number - writer * 0.1:.1f}"
        tags = token_tags(benchmark_metric="rmse", benchmark_value=value)
        return create_version(store, tags=tags).version

    versions = in_parallel(write)
    assert sorted(versions) == list(range(1, WRITERS * EACH + 1))
    assert len(indexed_versions(store)) == WRITERS * EACH
    assert_index_is_truth(store)
    assert_sound(store)
