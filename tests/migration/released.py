"""A registry opened by the last release's code, which does what it is told. Run as a program:

PYTHONPATH=UNPACKED_WHEEL:tests python tests/migration/released.py DATABASE_URI
"""

from __future__ import annotations

import json
import sys
from typing import Any

from support.registry import create_version, set_tag, token_tags

import hokusai_mlflow_plugin
from hokusai_mlflow_plugin.store.registry_store import build_store


def register(store: Any, value: str, **tags: str) -> int:
    return int(create_version(store, tags=token_tags(benchmark_value=value, **tags)).version)


def register_backed(store: Any, value: str, run_id: str) -> int:
    tags = token_tags(benchmark_value=value)
    return int(create_version(store, tags=tags, run_id=run_id).version)


def register_in_steps(store: Any, value: str) -> int:
    version = int(create_version(store, tags={}).version)
    for key, tag in token_tags(benchmark_value=value).items():
        set_tag(store, "model", version, key, tag)
    return version


def tag(store: Any, version: int, key: str, value: str) -> None:
    set_tag(store, "model", version, key, value)


def delete(store: Any, version: int) -> None:
    store.delete_model_version("model", str(version))


def rename(store: Any, name: str, new_name: str) -> None:
    store.rename_registered_model(name, new_name)


def refusal(store: Any, name: str, *arguments: Any) -> str:
    """What is said when an order is refused."""
    try:
        globals()[name](store, *arguments)
    except ValueError as error:
        return str(error)
    return "not refused"


def answer(store: Any, path: str, parameters: dict[str, Any]) -> Any:
    return store.answer(path, **parameters)


def main(database_uri: str) -> None:
    store = build_store(f"hokusai+{database_uri}", database_uri)
    print(json.dumps(hokusai_mlflow_plugin.__file__), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(globals()[name](store, *arguments)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
