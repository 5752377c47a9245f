"""The commands beside the servers, in processes of their own that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soak_receiver import SECRET, FlakyReceiver

from hokusai_mlflow_plugin.domain.signed_notes import SigningKey

TIMEOUT_S = 1.0
KEY = SigningKey("soak.example", bytes(32))


@dataclass
class Killed:
    """A command that goes on until it is killed, and is then started again."""

    command: Sequence[str]
    settings: dict[str, str]
    log: Path
    kills: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                hokusai_mlflow(*self.command),
                env={**os.environ, **self.settings},
                stdout=log,
                stderr=log,
            )

    def stop(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()

    def require_running(self) -> None:
        """Fail, with what it has said, where it ended by itself."""
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(self.log.read_text(errors="replace"))

    def kill(self) -> None:
        """Kill it wherever it is; it must have lived until then."""
        self.require_running()
        self.stop(signal.SIGKILL)
        self.kills += 1
        self.start()


def dispatcher(database_uri: str, receiver: FlakyReceiver, folder: Path) -> Killed:
    settings = {
        "HOKUSAI_REWARD_WEBHOOK_URL": receiver.url,
        "HOKUSAI_REWARD_WEBHOOK_SECRETS": SECRET,
        "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP": "true",
        "HOKUSAI_REWARD_WEBHOOK_ALLOW_PRIVATE": "true",
        "HOKUSAI_REWARD_TIMEOUT_S": str(TIMEOUT_S),
        "HOKUSAI_REWARD_MAX_ATTEMPTS": "1000",
        "HOKUSAI_REWARD_RETRY_BASE_S": "0.2",
        "HOKUSAI_REWARD_RETRY_CAP_S": "2",
    }
    command = ("rewards", "dispatch", database_uri, "--interval", "0.2")
    return Killed(command, settings, folder / "dispatcher.log")


def checkpointer(database_uri: str, notes: Path, folder: Path) -> Killed:
    """Signs twice a second, and keeps the newest note in a folder."""
    options = ("--every", "0.5", "--directory", str(notes))
    command = ("rewards", "checkpoint", database_uri, *options)
    return Killed(
        command, {"HOKUSAI_CHECKPOINT_KEYS": KEY.secret_text}, folder / "checkpointer.log"
    )


def kill_at(
    processes: Sequence[Killed],
    at: Sequence[int],
    receiver: FlakyReceiver,
    done: Counter[str],
) -> None:
    """Kill all in the middle of deliveries, each time that so many registrations are done."""
    heard = receiver.requests
    for count in at:
        while done["registrations"] < count or receiver.requests == heard:
            time.sleep(0.01)
            for process in processes:
                process.require_running()
        for process in processes:
            process.kill()
        heard = receiver.requests


def hokusai_mlflow(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "hokusai-mlflow"), *arguments]
