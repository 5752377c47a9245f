"""Show that the stress run turns red where the registry is broken on purpose.

    python benchmarks/stress_sabotage.py no-model-lock DATABASE_URI [options of stress.py]

Breaks one thing in a private copy of the project and runs stress.py on that. Exit status 0 if it
found a fault, 1 if it did not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

Edit = tuple[str, str, str]
"""A file, what it says, and what it is to say instead."""

SABOTAGE: dict[str, tuple[Edit, ...]] = {
    "no-model-lock": (
        (
            "db/index/live_versions.py",
            "    for model in sorted(models):\n        _begin_writing(connection)\n",
            "    for model in ():\n        _begin_writing(connection)\n",
        ),
    ),
    "no-second-look": (
        (
            "services/registry_writes.py",
            "    for key in sorted(changes.staged):\n",
            "    for key in ():\n",
        ),
    ),
    # Without the first alone nothing is wrong: the unique id of an event refuses the second one.
    "no-compare-and-swap": (
        (
            "db/deltaone/series_heads.py",
            ".where(*of_series(series, key), series.c.head_decision_id == old_decision_id)",
            ".where(*of_series(series, key))",
        ),
        (
            "services/rewards/ledger.py",
            "str(uuid.uuid5(uuid.UUID(tail.ledger_id), rfc8785.dumps(step).decode()))",
            "str(uuid.uuid4())",
        ),
    ),
    "no-read-committed": (
        (
            "store/session.py",
            'engine.execution_options(isolation_level="READ COMMITTED")',
            "engine.execution_options()",
        ),
    ),
    "no-retries": (("store/retries.py", "_ATTEMPTS = 6\n", "_ATTEMPTS = 1\n"),),
    "no-check-of-deleted-tags": (
        (
            "store/listener.py",
            "_add_tag_writes(changes, created, (*session.new, *session.deleted))",
            "_add_tag_writes(changes, created, session.new)",
        ),
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sabotage", choices=SABOTAGE)
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="hokusai-sabotage-") as name:
        copy = Path(name)
        for part in ("hokusai_mlflow_plugin", "migrations", "benchmarks"):
            ignored = shutil.ignore_patterns("__pycache__", "results")
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        for edit in SABOTAGE[arguments.sabotage]:
            _break(copy / "hokusai_mlflow_plugin", *edit)
        stress = subprocess.run(
            [sys.executable, str(copy / "benchmarks" / "stress.py"), *options],
            env={**os.environ, "PYTHONPATH": str(copy)},
            check=False,
        )
    is_red = stress.returncode == 1
    print(f"{arguments.sabotage}: {'found' if is_red else 'NOT found'}")
    return 0 if is_red else 1


def _break(package: Path, file: str, whole: str, broken: str) -> None:
    path = package / file
    text = path.read_text()
    if text.count(whole) != 1:
        raise SystemExit(f"{file} does not say {whole!r} once any more.")
    path.write_text(text.replace(whole, broken))


if __name__ == "__main__":
    sys.exit(main())
