"""Keys and checkpoints of tests."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine

from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint
from hokusai_mlflow_plugin.domain.signed_notes import SigningKey
from hokusai_mlflow_plugin.services.rewards.checkpoints import (
    SignedCheckpoint,
    checkpoint_ledger,
)

KEY = SigningKey("registry.example", bytes(32))
NEXT_KEY = SigningKey("registry.example", bytes(31) + b"\1")
STRANGERS_KEY = SigningKey("registry.example", bytes(31) + b"\2")


def signed(
    store: Any,
    *keys: SigningKey,
    workspace: str = "default",
    kept: Checkpoint | None = None,
) -> SignedCheckpoint:
    """The checkpoint of a ledger that has events, made now unless it was made before."""
    return sign_ledger(store.engine, *keys, workspace=workspace, kept=kept)


def sign_ledger(
    engine: Engine,
    *keys: SigningKey,
    workspace: str = "default",
    kept: Checkpoint | None = None,
) -> SignedCheckpoint:
    """As :func:`signed`, on an engine."""
    now_ms = time.time_ns() // 1_000_000
    found = checkpoint_ledger(engine, workspace, keys or [KEY], now_ms, kept)
    assert found is not None
    return found
