"""The session class whose flushes the registry listens to.

Only sessions of this class are listened to: MLflow's other stores, and a stock registry store in
the same process, stay untouched. The listeners are in ``listener.py``.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session, sessionmaker

from hokusai_mlflow_plugin.services.changes import Changes
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.store.mysql_errors import explained

_JUDGE = "hokusai_judge"


class HokusaiSession(Session):
    """A session of the token-aware registry."""

    @property
    def judge(self) -> Judge:
        """Settings and evidence that the registry's decisions depend on."""
        return cast(Judge, self.info[_JUDGE])

    changes: Changes
    """What the flush under way does, as it was found before it."""


def session_maker(engine: Engine, judge: Judge) -> sessionmaker[HokusaiSession]:
    """Sessions on an engine that know what to judge by.

    On MySQL they read what others have committed since the transaction began: under its default,
    REPEATABLE READ, the snapshot keeps the old highest version number, and MLflow loses concurrent
    ``create_model_version`` calls on one model (MLflow 3.17 gives up after three attempts).
    """
    if engine.dialect.name in ("mysql", "mariadb"):
        # MLflow keeps one engine for each URI, and several stores can open it.
        if not event.contains(engine, "handle_error", explained):
            event.listen(engine, "handle_error", explained)
        engine = engine.execution_options(isolation_level="READ COMMITTED")
    return sessionmaker(bind=engine, class_=HokusaiSession, info={_JUDGE: judge})
