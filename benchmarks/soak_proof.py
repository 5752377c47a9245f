"""What an outsider finds who has kept the first checkpoint, and gets an export of the ledger."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from soak_processes import KEY, hokusai_mlflow

PAGE = Path(__file__).parents[1] / "docs" / "proof.md"
PUBLIC_KEY = str(KEY.public)


@dataclass
class Outsider:
    """Keeps the first checkpoint that is published, and checks at the end."""

    notes: Path
    folder: Path
    said: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def kept(self) -> Path:
        return self.folder / "kept.txt"

    def keep_first(self, patience_s: float) -> None:
        """Wait for the first checkpoint, and keep it."""
        deadline = time.monotonic() + patience_s
        published = self.notes / "default.txt"
        while not published.exists():
            if time.monotonic() > deadline:
                self.faults.append(f"no checkpoint after {patience_s:.0f} s")
                return
            time.sleep(0.05)
        shutil.copy(published, self.kept)

    def check(self, database_uri: str) -> None:
        """Check the database, an export of it, and that with the program of docs/proof.md."""
        ledger = self.folder / "ledger.jsonl"
        settings = {"HOKUSAI_CHECKPOINT_PUBLIC_KEYS": PUBLIC_KEY}
        kept = ("--checkpoint", str(self.kept))
        rewards = hokusai_mlflow("rewards")
        self._run([*rewards, "verify", database_uri, *kept], settings)
        self._run([*rewards, "export", database_uri, "--file", str(ledger)], {})
        for note in (self.kept, self.notes / "default.txt"):
            at = ("--file", str(ledger), "--checkpoint", str(note))
            self._run([*rewards, "verify", *at], settings)
        (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        alone = [sys.executable, "-c", program, str(ledger), str(self.kept), PUBLIC_KEY]
        self._run(alone, {})

    def _run(self, command: list[str], settings: dict[str, str]) -> None:
        done = subprocess.run(
            command, env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )
        what = " ".join(Path(each).name for each in command[:3] if "\n" not in each)
        self.said.append(f"{what}: {' '.join(done.stdout.split())} (status {done.returncode})")
        if done.returncode:
            self.faults.append(f"{what}: {done.stdout}{done.stderr}")
