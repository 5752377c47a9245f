"""What the collector does while MLflow is imported, and after it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from hokusai_mlflow_plugin.importing import nothing_collected


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_it_rests_and_leaves_out_what_was_imported() -> None:
    """Nothing is looked for in the block, and what it made is not looked through later."""
    with nothing_collected():
        assert not gc.isenabled()
        made: list[object] = []
        assert any(each is made for each in gc.get_objects())
    assert gc.isenabled()
    assert not any(each is made for each in gc.get_objects())


def test_an_import_that_fails() -> None:
    """The collector is on again after an import that failed."""
    with pytest.raises(ImportError), nothing_collected():
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_was_off() -> None:
    """Who had it off keeps it off."""
    gc.disable()
    with nothing_collected():
        pass
    assert not gc.isenabled()
