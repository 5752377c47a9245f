"""Taking over a registry that already holds tagged versions: index them, begin their series.

Nothing is paid for the past: each series begins with the best value found. Source: R13.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine

from hokusai_mlflow_plugin.db.index import take_over
from hokusai_mlflow_plugin.domain.errors import SchemaMismatch
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.services.deltaone import joined_series
from hokusai_mlflow_plugin.services.deltaone.past_heads import begin_heads
from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.services.index.maintenance import Report
from hokusai_mlflow_plugin.settings import Settings


def is_pending(engine: Engine) -> bool:
    """Whether older data has not been taken over yet, or not to its end."""
    with engine.connect() as connection:
        return take_over.is_pending(connection)


def run(engine: Engine, catalogue: Catalogue) -> Iterator[Report]:
    """Index what is tagged, then begin every series that has none.

    Interrupted at any point and run again, it goes on; several processes may run it at once.

    Args:
        engine: The registry's database; its Hokusai tables are those of this release.
        catalogue: Metrics by name.

    Yields:
        What was found in each batch of versions.
    """
    yield from rebuild(engine, catalogue)
    with engine.begin() as connection:
        # Last: whoever is killed before it leaves the rest to the next one.
        take_over.mark_done(connection)


def rebuild(engine: Engine, catalogue: Catalogue) -> Iterator[Report]:
    """Repair the index, join names of one metric, raise heads to what was written past the plugin.

    Without the second a version that the repair adds would earn when it is next touched, or leave
    its value to be earned again.

    Args:
        engine: The registry's database.
        catalogue: Metrics by name.

    Yields:
        What was found in each batch of versions.
    """
    yield from maintenance.rebuild(engine, catalogue)
    joined_series.join_names(engine, catalogue)
    for _count in begin_heads(engine, catalogue):
        pass


def open_registry(engine: Engine, settings: Settings) -> None:
    """Take older data over when a store is opened on it for the first time.

    Raises:
        SchemaMismatch: It is still to be done, and ``HOKUSAI_AUTO_MIGRATE`` is off.
    """
    if not is_pending(engine):
        return
    if not settings.auto_migrate:
        raise SchemaMismatch(
            "Versions from before the plugin are not indexed yet, and HOKUSAI_AUTO_MIGRATE is "
            "off. Run 'hokusai-mlflow db upgrade DATABASE_URI'."
        )
    for _report in run(engine, settings.catalogue):
        pass
