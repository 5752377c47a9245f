"""Show that the stress run, or a test, turns red where the registry is broken on purpose.

    python benchmarks/stress_sabotage.py no-model-lock DATABASE_URI [options of stress.py]
    python benchmarks/stress_sabotage.py no-server-wide-lock postgresql

Breaks one thing in a private copy of the project and runs stress.py on that, or the test that
``sabotages.py`` names, on the kind of database that the URI, or its first word, tells. Exit status
0 if it found a fault, 1 if it did not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sabotages import SABOTAGES

ROOT = Path(__file__).parents[1]
PARTS = ("hokusai", "hokusai_mlflow_plugin", "migrations", "benchmarks", "tests")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sabotage", choices=SABOTAGES)
    parser.add_argument("database_uri")
    arguments, options = parser.parse_known_args()
    sabotage = SABOTAGES[arguments.sabotage]
    with tempfile.TemporaryDirectory(prefix="hokusai-sabotage-") as name:
        copy = Path(name)
        for part in PARTS:
            ignored = shutil.ignore_patterns("__pycache__", "results")
            shutil.copytree(ROOT / part, copy / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", copy)
        for edit in sabotage.edits:
            _break(copy / "hokusai_mlflow_plugin", *edit)
        if sabotage.test:
            database = arguments.database_uri.partition(":")[0].partition("+")[0]
            command = ["-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "--tb=line"]
            command += [sabotage.test, "-k", database]
        else:
            command = [str(copy / "benchmarks" / "stress.py"), arguments.database_uri, *options]
        shown = subprocess.run(
            [sys.executable, *command],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            check=False,
        )
    is_red = shown.returncode == 1
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
