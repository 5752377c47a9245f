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

TIMEOUT_S = 1.0


@dataclass
class Killed:
    """A dispatcher in a process of its own, killed and started again at certain registrations."""

    database_uri: str
    receiver: FlakyReceiver
    folder: Path
    at: Sequence[int]
    kills: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = {
            "HOKUSAI_REWARD_WEBHOOK_URL": self.receiver.url,
            "HOKUSAI_REWARD_WEBHOOK_SECRETS": SECRET,
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP": "true",
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_PRIVATE": "true",
            "HOKUSAI_REWARD_TIMEOUT_S": str(TIMEOUT_S),
            "HOKUSAI_REWARD_MAX_ATTEMPTS": "1000",
            "HOKUSAI_REWARD_RETRY_BASE_S": "0.2",
            "HOKUSAI_REWARD_RETRY_CAP_S": "2",
        }
        command = [*hokusai_mlflow("rewards", "dispatch"), self.database_uri, "--interval", "0.2"]
        with (self.folder / "dispatcher.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **settings}, stdout=log, stderr=log
            )

    def stop(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()

    def watch(self, done: Counter[str]) -> None:
        """Kill it in the middle of a delivery, when so many registrations are done."""
        heard = self.receiver.requests
        while self.kills < len(self.at):
            if done["registrations"] >= self.at[self.kills] and self.receiver.requests > heard:
                self.stop(signal.SIGKILL)
                self.kills += 1
                self.start()
                heard = self.receiver.requests
            time.sleep(0.001)


def hokusai_mlflow(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "hokusai-mlflow"), *arguments]
