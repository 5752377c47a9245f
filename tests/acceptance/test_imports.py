"""What an import brings with it.

Loaded modules are compared, not times: what is loaded is what an import costs.
"""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"sqlalchemy", "alembic", "flask", "fastapi", "pandas", "sklearn", "matplotlib", "tqdm"}


def loaded_by(statement: str) -> set[str]:
    """The modules in a fresh interpreter after a statement."""
    script = f"{statement}; import sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_client_beside_mlflow() -> None:
    """The client loads nothing beside MLflow but itself, the rules and the standard library."""
    added = loaded_by("import mlflow; import hokusai.core") - loaded_by("import mlflow")

    others = packages(added) - {"hokusai", "hokusai_mlflow_plugin"} - sys.stdlib_module_names
    assert others == set()
    ours = {module for module in added if module.startswith("hokusai_mlflow_plugin.")}
    assert all(module.startswith("hokusai_mlflow_plugin.domain") for module in ours)
    assert not {module for module in added if module.startswith("mlflow.")}


def test_rules_alone() -> None:
    """The rules load the standard library and nothing else."""
    loaded = loaded_by("import hokusai_mlflow_plugin.domain.tags") - loaded_by("pass")

    assert packages(loaded) - {"hokusai_mlflow_plugin"} <= sys.stdlib_module_names
    assert not packages(loaded) & HEAVY


def test_opening_any_registry() -> None:
    """MLflow loads all stores of this project's before it opens one: those of databases do not
    bring theirs along, which a client may not even have."""
    opening = "from mlflow.tracking._model_registry import utils; utils._get_store_registry()"
    added = loaded_by(opening) - loaded_by("import mlflow")
    assert "hokusai_mlflow_plugin.store.registry_store" not in added
    assert "hokusai.reach.store" in added
