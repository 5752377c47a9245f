"""Fill an MLflow database with tagged model versions, as years of use would.

    python benchmarks/seed.py postgresql+psycopg://root@127.0.0.1/bench --versions 1000000

Models of ten versions with five tags each, written by a few set-based statements straight into
MLflow's tables: the token index stays empty, as on a server that never had the plugin. One version
in a hundred does not conform, in each of five ways. The database must exist; MLflow's tables are
made where they are not there.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    Integer,
    String,
    case,
    cast,
    column,
    create_engine,
    func,
    inspect,
    literal,
    select,
    text,
)

from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    model_version_tags,
    model_versions,
    registered_models,
)
from hokusai_mlflow_plugin.store.mlflow_compat.database import DEFAULT_WORKSPACE, SqlAlchemyStore

VERSIONS_PER_MODEL = 10
FIRST_CREATION_MS = 1_700_000_000_000
METRICS = ("accuracy", "f1_score", "rmse", "mae", "ndcg")
FAULTY_EVERY = 100
FAULTS = 5


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database_uri")
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--versions-per-model", type=int, default=VERSIONS_PER_MODEL)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    seed(arguments.database_uri, arguments.versions, arguments.versions_per_model)
    seconds = time.perf_counter() - begin
    print(f"{arguments.versions} versions in {seconds:.1f} s", file=sys.stderr)


def seed(database_uri: str, versions: int, versions_per_model: int = VERSIONS_PER_MODEL) -> None:
    """Write the versions and their tags into a database that holds no model yet."""
    engine = create_engine(database_uri)
    if not inspect(engine).has_table(model_versions.name):
        SqlAlchemyStore(database_uri)
    with engine.begin() as connection:
        if connection.dialect.name in ("mysql", "mariadb"):
            _allow_recursion(connection, versions)
        if connection.dialect.name == "postgresql":
            _trust_own_rows(connection)
        _insert_models(connection, -(-versions // versions_per_model))
        _insert_versions(connection, versions, versions_per_model)
        _insert_tags(connection, versions, versions_per_model)
    gather_statistics(engine)
    engine.dispose()


def _insert_models(connection: Connection, models: int) -> None:
    n = column("n", Integer)
    rows = select(literal(DEFAULT_WORKSPACE), literal("model-").concat(cast(n, String(12))))
    _insert(connection, registered_models, ["workspace", "name"], rows, models)


def _insert_versions(connection: Connection, versions: int, per_model: int) -> None:
    n = column("n", Integer)
    # As a great integer: ten million thousands are more than four bytes hold.
    created = literal(FIRST_CREATION_MS) + cast(n, BigInteger) * 1000
    rows = select(
        literal(DEFAULT_WORKSPACE),
        _model_name(n, per_model),
        n % per_model + 1,
        created,
        created,
        literal("None"),
        literal("s3://bucket/models/").concat(cast(n, String(12))),
        literal("READY"),
    )
    names = [
        "workspace",
        "name",
        "version",
        "creation_time",
        "last_updated_time",
        "current_stage",
        "source",
        "status",
    ]
    _insert(connection, model_versions, names, rows, versions)


def _insert_tags(connection: Connection, versions: int, per_model: int) -> None:
    """Five tags for each version; what is wrong with a faulty one goes round."""
    n = column("n", Integer)
    fault = case((n % FAULTY_EVERY == 0, n // FAULTY_EVERY % FAULTS), else_=FAULTS)
    model = cast(n // per_model, String(12))
    metric = _choice(n // per_model % len(METRICS), METRICS)
    value = literal("0.").concat(cast(500_000 + n % 49_999 * 37_199 % 499_999, String(12)))
    address = literal("0x742d35Cc6634C0532925a3b844Bc9e75").concat(
        cast(10_000_000 + n % 1000, String(12))
    )
    tags = [
        (
            literal("hokusai_token_id"),
            case(
                (fault == 0, literal("token_").concat(model)), else_=literal("TOK-").concat(model)
            ),
        ),
        # A misspelt key is a missing tag.
        (
            case((fault == 1, literal("benchmark_metrics")), else_=literal("benchmark_metric")),
            case((fault == 4, literal(" ").concat(metric)), else_=metric),
        ),
        (literal("benchmark_value"), case((fault == 2, literal("nan")), else_=value)),
        (literal("contributor_address"), address),
        (
            case((fault == 3, literal("contributor")), else_=literal("dataset_version")),
            literal("v").concat(cast(n % 17, String(12))),
        ),
    ]
    for key, tag_value in tags:
        rows = select(
            literal(DEFAULT_WORKSPACE), _model_name(n, per_model), n % per_model + 1, key, tag_value
        )
        names = ["workspace", "name", "version", "key", "value"]
        _insert(connection, model_version_tags, names, rows, versions)


def _insert(connection: Connection, table: Any, names: list[str], rows: Any, count: int) -> None:
    numbers = _numbers(connection, count)
    connection.execute(table.insert().from_select(names, rows.select_from(numbers)))


def _numbers(connection: Connection, count: int) -> Any:
    """A relation of the numbers ``n`` from 0 below ``count``."""
    if connection.dialect.name == "postgresql":
        return func.generate_series(0, count - 1).table_valued("n", name="numbers").render_derived()
    numbers = select(literal(0).label("n")).cte("numbers", recursive=True)
    return numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < count - 1))


def _allow_recursion(connection: Connection, count: int) -> None:
    on_mariadb = getattr(connection.dialect, "is_mariadb", False)
    variable = "max_recursive_iterations" if on_mariadb else "cte_max_recursion_depth"
    connection.execute(text(f"SET SESSION {variable} = {count}"))


def _trust_own_rows(connection: Connection) -> None:
    """Skip the foreign keys' checks, if one may: each row's would wait in memory for the end."""
    is_superuser = text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if connection.scalar(is_superuser):
        connection.execute(text("SET LOCAL session_replication_role = replica"))


def _model_name(n: Any, per_model: int) -> Any:
    return literal("model-").concat(cast(n // per_model, String(12)))


def _choice(position: Any, values: tuple[str, ...]) -> Any:
    return case(*((position == i, literal(value)) for i, value in enumerate(values)), else_="")


def gather_statistics(engine: Engine) -> None:
    """What a database gathers by itself in the course of time."""
    command = {"postgresql": "VACUUM ANALYZE", "sqlite": "ANALYZE"}.get(engine.dialect.name)
    if command:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(command))


if __name__ == "__main__":
    main()
