"""R7: repairing the index while servers write to the registry."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import event
from support.damage import run_sql
from support.index import assert_index_is_truth, indexed_versions
from support.registry import METRIC, VALUE, create_version, set_tag, token_tags

from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.store.session import HokusaiSession

HEAD_START_S = 1
READ_TAGS = tuple(  # of the span; of each version, on PostgreSQL
    f"SELECT model_versions.name, model_versions.version, {tags}."
    for tags in ("model_version_tags", "own")
)
DELETE_ROWS, INSERT_ROWS = "DELETE FROM hokusai_token_index", "INSERT INTO hokusai_token_index"


def differences(store, scan, batch_size=maintenance.BATCH_SIZE):
    reports = scan(store.engine, store.settings.catalogue, batch_size)
    return [found for report in reports for found in report.differences]


@contextmanager
def meanwhile(
    engine: Any, statement: str | tuple[str, ...], write: Callable[[], Any]
) -> Iterator[list[Future[Any]]]:
    """Begin a write in another thread just before this one first executes such a statement.

    It gets a head start: a write that nothing keeps waiting is through before the statement.
    """
    mine, begun = threading.get_ident(), []
    with ThreadPoolExecutor(1) as threads:

        def begin(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
            if sql.startswith(statement) and threading.get_ident() == mine and not begun:
                begun.append(threads.submit(write))
                wait_for(begun[0])

        event.listen(engine, "before_cursor_execute", begin)
        try:
            yield begun
        finally:
            event.remove(engine, "before_cursor_execute", begin)


def wait_for(write: Future[Any]) -> None:
    with suppress(StillRunning):  # the repair keeps it waiting
        write.result(HEAD_START_S)


def amend(store):
    set_tag(store, "model", 1, VALUE, "0.9")


def delete(store):
    store.delete_model_version("model", "1")


def rename(store):
    store.rename_registered_model("model", "renamed")


def add(store):
    create_version(store)


@pytest.mark.parametrize("write", [amend, delete, rename, add], ids=lambda write: write.__name__)
def test_write_to_a_model_under_repair_waits(store, write):
    """What the repair has read stays true until it is written; the write then goes on from it."""
    create_version(store, tags=token_tags(**{METRIC: "custom"}))
    run_sql(store, DELETE_ROWS)
    with meanwhile(store.engine, INSERT_ROWS, lambda: write(store)) as begun:
        assert len(differences(store, maintenance.rebuild)) == 1
        begun[0].result()
    assert_index_is_truth(store)


def test_model_made_anew_under_repair_waits(store):
    """A row of a model that is gone is not taken from the model that comes after it."""
    create_version(store)
    for table in ("model_version_tags", "model_versions", "registered_models"):
        run_sql(store, f"DELETE FROM {table}")
    with meanwhile(store.engine, DELETE_ROWS, lambda: create_version(store)) as begun:
        assert len(differences(store, maintenance.rebuild)) == 1
        begun[0].result()
    assert indexed_versions(store) == [("model", 1, "IMG-001")]
    assert_index_is_truth(store)


@contextmanager
def uncommitted(write: Callable[[], Any]) -> Iterator[threading.Event]:
    """A write in another thread that has written everything, and commits when it is let go."""
    written, let_go = threading.Event(), threading.Event()

    def hold(*_: Any) -> None:
        written.set()
        let_go.wait()

    event.listen(HokusaiSession, "after_flush", hold)
    try:
        with ThreadPoolExecutor(1) as threads:
            future = threads.submit(write)
            assert written.wait(60)
            yield let_go
            let_go.set()
            future.result()
    finally:
        let_go.set()
        event.remove(HokusaiSession, "after_flush", hold)


def test_repair_waits_for_a_write(store):
    """A write that began before the repair is seen whole, not overwritten by what it replaced."""
    create_version(store, tags=token_tags(**{METRIC: "custom"}))
    run_sql(store, DELETE_ROWS)
    with uncommitted(lambda: amend(store)) as let_go, ThreadPoolExecutor(1) as threads:
        repair = threads.submit(differences, store, maintenance.rebuild)
        wait_for(repair)
        let_go.set()
        assert repair.result() == []
    assert_index_is_truth(store)


def test_verify_sees_a_write_whole_or_not_at_all(store):
    """A version that is amended between two statements of one batch is no difference."""
    create_version(store, tags=token_tags(**{METRIC: "custom"}))
    with meanwhile(store.engine, READ_TAGS, lambda: amend(store)) as begun:
        assert differences(store, maintenance.verify) == []
        begun[0].result()
    assert_index_is_truth(store)


class Writer:
    """Writes at random to a few models, some of which others write to."""

    def __init__(self, store: Any, seed: int) -> None:
        self._store, self._random = store, random.Random(seed)

    def write(self, times: int) -> None:
        for _time in range(times):
            name = self._random.choice(["shared", f"own {self._random.random():.1f}"])
            action = self._random.choice([self._create, self._amend, self._delete, self._rename])
            try:
                action(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise

    def _create(self, name: str) -> None:
        tags = token_tags(**{METRIC: "custom", VALUE: str(self._random.random())})
        create_version(self._store, name, tags=tags)

    def _amend(self, name: str) -> None:
        version = self._random.randint(1, 3)
        set_tag(self._store, name, version, VALUE, str(self._random.random()))

    def _delete(self, name: str) -> None:
        self._store.delete_model_version(name, str(self._random.randint(1, 3)))

    def _rename(self, name: str) -> None:
        self._store.rename_registered_model(name, f"renamed {self._random.random()}")


def test_no_difference_while_servers_write(store):
    """Whatever is written meanwhile, neither scan finds a difference, nor makes one."""
    with ThreadPoolExecutor(2) as threads:
        writes = [threads.submit(Writer(store, seed).write, 30) for seed in range(2)]
        while not all(write.done() for write in writes):
            assert differences(store, maintenance.verify, 3) == []
            assert differences(store, maintenance.rebuild, 3) == []
        for write in writes:
            write.result()
    assert_index_is_truth(store)
