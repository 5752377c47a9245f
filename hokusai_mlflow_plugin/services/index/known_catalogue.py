"""Which metric catalogue a registry is indexed with: what the index says depends on it.

Source: R7 and R8. The servers put on record what they know besides the built-in metrics. A command
that knows something else would take their rows for wrong, so it refuses to compare.
"""

from __future__ import annotations

import hashlib
import logging

from sqlalchemy import Engine

from hokusai_mlflow_plugin.db.index import take_over
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.errors import OtherCatalogue
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue

_logger = logging.getLogger(__name__)
_LENGTH = 32


def fingerprint(catalogue: Catalogue) -> str:
    """What tells two catalogues apart: metrics that are not built in as they are.

    A release that knows more metrics is therefore no other catalogue, and the servers of a rolling
    restart agree.
    """
    own = sorted(repr(metric) for name, metric in catalogue.items() if BUILT_IN.get(name) != metric)
    return hashlib.sha256("\n".join(own).encode()).hexdigest()[:_LENGTH]


def put_on_record(engine: Engine, catalogue: Catalogue, *, is_server: bool) -> None:
    """Remember the catalogue of a store that is opened.

    The last server to start decides: its file is the newest. A program that opens the database
    itself only warns where its own differs.
    """
    own = fingerprint(catalogue)
    with engine.connect() as connection:
        known = take_over.catalogue(connection)
    if known == own:
        return
    if known is not None:
        _logger.warning(
            "The registry was indexed with another metric catalogue (HOKUSAI_METRICS_FILE) than "
            "this process has. Once all servers have the same, run 'hokusai-mlflow index rebuild'."
        )
    if known is None or is_server:
        with engine.begin() as connection:
            take_over.note_catalogue(connection, own)


def require_same(engine: Engine, catalogue: Catalogue) -> None:
    """Make sure that the registry was indexed with this catalogue.

    Raises:
        OtherCatalogue: It was indexed with another.
    """
    with engine.connect() as connection:
        known = take_over.catalogue(connection)
    if known is not None and known != fingerprint(catalogue):
        raise OtherCatalogue(with_built_in=known == fingerprint(BUILT_IN))
