"""The session class whose flushes the registry listens to.

Only sessions of this class are listened to: MLflow's other stores, and a stock registry store in
the same process, stay untouched. The listeners are in ``listener.py``.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from hokusai_mlflow_plugin.services.deltaone.judge import Judge

_JUDGE = "hokusai_judge"
_DUPLICATE_BY_CASCADE = (1761, 1762)
"""MySQL: a foreign key's cascade, such as a rename's, would make a duplicate."""


class HokusaiSession(Session):
    """A session of the token-aware registry."""

    @property
    def judge(self) -> Judge:
        """Settings and evidence that the registry's decisions depend on."""
        return cast(Judge, self.info[_JUDGE])


def session_maker(engine: Engine, judge: Judge) -> sessionmaker[HokusaiSession]:
    """Sessions on an engine that know what to judge by.

    On MySQL they read what others have committed since the transaction began: under its default,
    REPEATABLE READ, the snapshot keeps the old highest version number, and MLflow loses concurrent
    ``create_model_version`` calls on one model (MLflow 3.17 gives up after three attempts).
    """
    if engine.dialect.name in ("mysql", "mariadb"):
        if not event.contains(engine, "handle_error", _as_integrity_error):
            event.listen(engine, "handle_error", _as_integrity_error)
        engine = engine.execution_options(isolation_level="READ COMMITTED")
    return sessionmaker(bind=engine, class_=HokusaiSession, info={_JUDGE: judge})


def _as_integrity_error(context: ExceptionContext) -> IntegrityError | None:
    """A rename to the name of another model, as every other database reports it.

    PyMySQL calls it operational, and MLflow would answer 503, for which its clients wait.
    """
    error = context.original_exception
    if not error.args or error.args[0] not in _DUPLICATE_BY_CASCADE:
        return None
    return IntegrityError(context.statement, context.parameters, error)
