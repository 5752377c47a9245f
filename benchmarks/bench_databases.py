"""Databases of the benchmark: seeded by SQL, taken over by the plugin, kept between runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersionTag
from seed import VERSIONS_PER_MODEL, seed
from sqlalchemy import create_engine, make_url, text

from hokusai_mlflow_plugin.store.registry_store import build_store

POSTGRES_VARIABLE = "HOKUSAI_BENCH_POSTGRES_URL"
DEFAULT_POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
LINEAGE_SIZES = (10, 100, 1000)
LONG_TOKEN, LONG_TOKEN_VERSIONS = "LONG-TOKEN", 10_000
CONTRIBUTOR = "0x742d35Cc6634C0532925a3b844Bc9e7510000001"


def prepare(dialect: str, versions: int, folder: Path) -> str:
    """URI of a database with so many versions, all taken over; one from before is used again."""
    uri = _sqlite(folder, versions) if dialect == "sqlite" else _postgres(versions)
    engine = create_engine(uri)
    if not _is_ready(engine):
        print(f"Seeding {dialect} with {versions} versions …", flush=True)
        seed(uri, versions + LONG_TOKEN_VERSIONS)
        _gather_long_token(engine, versions // VERSIONS_PER_MODEL)
        _take_over(uri)
    engine.dispose()
    return uri


def lineage_model(size: int) -> str:
    return f"lineage-{size}"


def lineage_token(size: int) -> str:
    return f"LINEAGE-{size}"


def tokenised(token_id: str, value: str, metric: str = "accuracy") -> list[ModelVersionTag]:
    """Five tags of a version, as many as each seeded version has."""
    tags = {
        "hokusai_token_id": token_id,
        "benchmark_metric": metric,
        "benchmark_value": value,
        "contributor_address": CONTRIBUTOR,
        "dataset_version": "v1",
    }
    return [ModelVersionTag(key, value) for key, value in tags.items()]


def _gather_long_token(engine: Any, first_model: int) -> None:
    """Have the models from one number on carry the same token; versions without any keep none."""
    statement = text(
        "UPDATE model_version_tags SET value = :token WHERE key = 'hokusai_token_id'"
        " AND value LIKE 'TOK-%' AND CAST(substr(name, 7) AS INTEGER) >= :first"
    )
    with engine.begin() as connection:
        connection.execute(statement, {"token": LONG_TOKEN, "first": first_model})


def _is_ready(engine: Any) -> bool:
    """The last thing that is written is the last version of the longest lineage."""
    last = text("SELECT count(*) FROM model_versions WHERE name = :name AND version = :version")
    try:
        with engine.connect() as connection:
            given = {"name": lineage_model(LINEAGE_SIZES[-1]), "version": LINEAGE_SIZES[-1]}
            return bool(connection.scalar(last, given))
    except Exception:  # no such table: nothing has been seeded
        return False


def _take_over(uri: str) -> None:
    """Index and decide on what was seeded, as on a server that gets the plugin; add lineages."""
    # In a process that is small itself: a child's peak of memory begins with its parent's.
    subprocess.run([sys.executable, Path(__file__).with_name("take_over.py"), uri], check=True)
    store: Any = build_store(f"hokusai+{uri}")
    for size in LINEAGE_SIZES:
        store.create_registered_model(lineage_model(size))
        for version in range(1, size + 1):
            tags = tokenised(lineage_token(size), f"0.5{version:04}")
            store.create_model_version(lineage_model(size), "s3://bucket/model", tags=tags)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        is_postgres = connection.dialect.name == "postgresql"
        connection.execute(text("VACUUM ANALYZE" if is_postgres else "ANALYZE"))


def _sqlite(folder: Path, versions: int) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / f'{versions}.db'}"


def _postgres(versions: int) -> str:
    url = make_url(os.environ.get(POSTGRES_VARIABLE, DEFAULT_POSTGRES))
    name = f"hokusai_bench_{versions}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if not connection.scalar(found, {"name": name}):
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
