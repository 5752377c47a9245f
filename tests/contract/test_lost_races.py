"""A write that lost a race is begun again on each MLflow, whatever its loop made of the error."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from support.registry import create_version, token_tags

from hokusai_mlflow_plugin.store.mlflow_compat.database import SqlModelVersion
from hokusai_mlflow_plugin.store.session import HokusaiSession


# MLflow 3.10 still holds the version whose number is taken here; another writer's it would not.
@pytest.mark.filterwarnings("ignore:New instance:sqlalchemy.exc.SAWarning")
def test_a_number_that_another_writer_took(store):
    """The version gets the next number, with its tags; the client hears nothing of it."""
    create_version(store, tags=token_tags())
    taken = []

    def take(session, _context, _instances):
        for row in session.new:
            if isinstance(row, SqlModelVersion) and not taken:
                taken.append(row.version)
                row.version = 1
                for tag in row.model_version_tags:
                    tag.version = 1

    event.listen(HokusaiSession, "before_flush", take)
    try:
        found = create_version(store, tags=token_tags())
    finally:
        event.remove(HokusaiSession, "before_flush", take)
    assert taken == [2]
    assert (int(found.version), set(found.tags)) == (2, set(token_tags()))
