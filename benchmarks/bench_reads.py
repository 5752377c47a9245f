"""Reads at the store: ours, MLflow's own search, a scan from the client, and the bare SQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from bench_databases import LINEAGE_SIZES, lineage_model, lineage_token
from bench_timing import Figure, Times, in_time, times_ms
from sqlalchemy import Engine, text

from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token
from hokusai_mlflow_plugin.store.mlflow_compat.database import SqlAlchemyStore
from hokusai_mlflow_plugin.store.registry_store import build_store

VERSIONS_PER_MODEL = 10
SCAN_PAGE = 200
STOCK_BUDGET_S = 15.0
BARE_TARGETS = {10: "≤1.3", 100: "≤1.5"}

_VERSIONS = text(
    "SELECT v.workspace, v.name, v.version, v.creation_time, v.last_updated_time, v.description,"
    " v.user_id, v.current_stage, v.source, v.run_id, v.status, v.status_message, v.run_link"
    " FROM hokusai_token_index i JOIN model_versions v"
    " ON v.workspace = i.workspace AND v.name = i.name AND v.version = i.version"
    " WHERE i.workspace = 'default' AND i.token_id = :token"
    " AND v.current_stage <> 'Deleted_Internal'"
    " ORDER BY i.creation_time DESC, i.name DESC, i.version DESC LIMIT :limit"
)
_LINEAGE_VERSIONS = text(
    "SELECT v.workspace, v.name, v.version, v.creation_time, v.last_updated_time, v.description,"
    " v.user_id, v.current_stage, v.source, v.run_id, v.status, v.status_message, v.run_link,"
    " i.token_id, i.benchmark_metric, i.benchmark_value, i.contributor_address, d.outcome,"
    " d.reason, d.improvement_pp, d.evidence, d.decided_time, b.name, b.version, b.value"
    " FROM hokusai_token_index i JOIN model_versions v"
    " ON v.workspace = i.workspace AND v.name = i.name AND v.version = i.version"
    " LEFT JOIN hokusai_decisions d"
    " ON d.workspace = i.workspace AND d.decision_id = i.decision_id"
    " LEFT JOIN hokusai_decisions b"
    " ON b.workspace = d.workspace AND b.decision_id = d.baseline_decision_id"
    " WHERE i.workspace = 'default' AND i.name = :name"
    " AND v.current_stage <> 'Deleted_Internal' ORDER BY i.version LIMIT :limit"
)
_LINEAGE_TAGS = text(
    "SELECT version, key, value FROM model_version_tags"
    " WHERE workspace = 'default' AND name = :name"
)
_TAGS = text(
    "SELECT t.name, t.version, t.key, t.value FROM hokusai_token_index i"
    " JOIN model_version_tags t"
    " ON t.workspace = i.workspace AND t.name = i.name AND t.version = i.version"
    " WHERE i.workspace = 'default' AND i.token_id = :token AND i.creation_time >= :oldest"
)


def bare_sql(engine: Engine, token: str, limit: int) -> tuple[Any, Any]:
    """The same versions and tags by two statements and nothing else."""
    with engine.connect() as connection:
        versions = connection.execute(_VERSIONS, {"token": token, "limit": limit}).all()
        oldest = versions[-1].creation_time
        return versions, connection.execute(_TAGS, {"token": token, "oldest": oldest}).all()


def bare_lineage(engine: Engine, name: str) -> tuple[Any, Any]:
    """The versions, decisions and tags of a model's lineage by two statements and nothing else."""
    with engine.connect() as connection:
        versions = connection.execute(_LINEAGE_VERSIONS, {"name": name, "limit": 1000}).all()
        return versions, connection.execute(_LINEAGE_TAGS, {"name": name}).all()


def measure(database: str, uri: str, versions: int, rounds: int) -> list[Figure]:
    """Figures of reads at the store on one database."""
    ours: Any = build_store(f"hokusai+{uri}")
    stock = SqlAlchemyStore(uri)
    figures: list[Figure] = []

    def add(what: str, peer: str, found: Mapping[str, Times], target: str = "") -> None:
        # On SQLite the database answers at once, and what it costs to ask is most of the time.
        on = target if database == "postgresql" or not target else "≤2"
        figures.append(in_time(database, versions, what, peer, found["ours"], found[peer], on))

    for page, token in ((10, _random_token(versions)), (100, lambda: lineage_token(1000))):
        what = f"list by token, page of {page}, store"
        # These two by themselves: stock's search reads all tags, and leaves cold caches.
        pair = {"ours": _ask(ours, token, page), "bare SQL": _bare(ours, token, page)}
        add(what, "bare SQL", times_ms(pair, rounds), BARE_TARGETS[page])
        found = times_ms(_list_by_token(ours, stock, token, page), rounds, STOCK_BUDGET_S)
        add(what, "stock tag search", found, "≤0.01" if versions >= 10**6 and page == 10 else "")
        if page == 10:
            one, pages = found["client scan, one page"], versions / SCAN_PAGE
            scanned = Times(one.median * pages, one.fast * pages)
            add(what, "client scan", {**found, "client scan": scanned})
    for size in LINEAGE_SIZES:
        found = times_ms(_lineage(ours, stock, size), rounds)
        for peer in ("bare SQL", "stock search by name"):
            add(f"lineage of {size}, store", peer, found, "≤1.5" if size == 1000 else "")
    return figures


def growth(database: str, uris: Mapping[int, str], rounds: int) -> list[Figure]:
    """Our reads on the greatest database against each smaller one, interleaved."""
    stores: dict[int, Any] = {size: build_store(f"hokusai+{uri}") for size, uri in uris.items()}
    reads: dict[str, Callable[[Any, int], Callable[[], Any]]] = {
        "list by token, page of 10": lambda ours, size: _ask(ours, _random_token(size), 10),
        "list by token, page of 100": lambda ours, _size: _ask(
            ours, lambda: lineage_token(1000), 100
        ),
        "lineage of 1000": lambda ours, _size: _ask_lineage(ours, 1000),
    }
    figures, greatest = [], max(uris)
    for what, read in reads.items():
        cases = {str(size): read(ours, size) for size, ours in stores.items()}
        found = times_ms(cases, rounds * 3)
        figures += [
            in_time(
                database,
                greatest,
                f"{what}, growth",
                f"ours at {versions}",
                found[str(greatest)],
                found[str(versions)],
                "≤1.2" if database == "postgresql" and greatest >= 10**6 else "",
            )
            for versions in sorted(uris)
            if versions != greatest
        ]
    return figures


def _list_by_token(
    ours: Any, stock: Any, token: Callable[[], str], page: int
) -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {
        "ours": _ask(ours, token, page),
        "stock tag search": lambda: stock.search_model_versions(
            f"tags.hokusai_token_id = '{token()}'", max_results=page
        ),
        "client scan, one page": lambda: stock.search_model_versions("", max_results=SCAN_PAGE),
    }
    return cases


def _lineage(ours: Any, stock: Any, size: int) -> dict[str, Callable[[], Any]]:
    name = lineage_model(size)
    return {
        "ours": _ask_lineage(ours, size),
        "bare SQL": lambda: bare_lineage(ours.engine, name),
        "stock search by name": lambda: stock.search_model_versions(
            f"name = '{name}'", max_results=1000
        ),
    }


def _bare(store: Any, token: Callable[[], str], page: int) -> Callable[[], Any]:
    return lambda: bare_sql(store.engine, token(), page)


def _ask(store: Any, token: Callable[[], str], page: int) -> Callable[[], Any]:
    return lambda: store.ask(list_by_token, token(), max_results=page)


def _ask_lineage(store: Any, size: int) -> Callable[[], Any]:
    return lambda: store.ask(get_lineage, lineage_model(size), max_results=1000)


def _random_token(versions: int) -> Callable[[], str]:
    """Tokens of conforming seeded models, never the same sequence of pages twice."""
    numbers = random.Random(versions)
    models = versions // VERSIONS_PER_MODEL
    # The first version of every tenth model may be faulty; its model still has a page.
    return lambda: f"TOK-{numbers.randrange(models)}"
