"""Where the project's log lines go.

Python prints only warnings of loggers that nobody configured, and MLflow configures its own alone.
"""

from __future__ import annotations

import logging

_ROOT = "hokusai"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def write_to_stderr() -> None:
    """Write the loggers ``hokusai.*`` to standard error, from INFO on.

    Where the operator has configured them, or the root logger, that is left alone.
    """
    logger = logging.getLogger(_ROOT)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)
