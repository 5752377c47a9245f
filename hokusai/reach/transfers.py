"""Moving a model's files from one artifact store to another, one by one and checked.

A file of this machine is sent as it is; any other one is on this machine's disk only while it is
sent. What arrived is read back and compared by size and digest.
"""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import DATA_LOSS, RESOURCE_DOES_NOT_EXIST

from hokusai.mlflow_compat import download_file, local_folder, open_files, read_back

_AT_ONCE = 4
"""Files that are moved at the same time; as many may be on this machine's disk."""
_TICK_S = 0.5
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Listed:
    """One file of a model."""

    path: str
    size: int | None
    """In bytes; None where the store does not say."""


class Files:
    """The files of a model in an artifact store."""

    def __init__(self, artifact_uri: str, tracking_uri: str) -> None:
        self.uri = artifact_uri
        self.repository = open_files(artifact_uri, tracking_uri)
        self._folder = local_folder(artifact_uri)

    def list(self) -> list[Listed]:
        """Every file, in order of paths; empty where there is none."""
        return sorted(self._below(None), key=lambda each: each.path)

    def _below(self, folder: str | None) -> Iterator[Listed]:
        for each in self.repository.list_artifacts(folder):
            if each.path in (".", folder):
                continue
            if each.is_dir:
                yield from self._below(each.path)
            else:
                yield Listed(each.path, each.file_size)

    def at_hand(self, path: str, scratch: Path) -> Path:
        """A file on this machine: its own, or one that is written to a scratch folder."""
        if self._folder is not None:
            return self._folder / path
        target = scratch / posixpath.basename(path)
        download_file(self.repository, path, target)
        return target

    def digest(self, path: str) -> tuple[int, str]:
        """Size and SHA-256 of a file as the store gives it out."""
        chunks = read_back(self.repository, path)
        if chunks is not None:
            return _digest(chunks)
        with tempfile.TemporaryDirectory(prefix="hokusai-") as scratch:
            return _digest_of(self.at_hand(path, Path(scratch)))


def copy_files(source: Files, target: Files, listed: Sequence[Listed], label: str) -> None:
    """Copy files, with a progress bar where that takes longer than a second.

    On an error, or an interruption, those that are being sent are waited for, and no other is
    begun: what is undone afterwards stays undone.

    Raises:
        MlflowException: A file could not be read or written, or did not arrive as it was.
    """
    from tqdm.auto import tqdm  # noqa: PLC0415  # few who import the client copy anything

    total = sum(each.size or 0 for each in listed)
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hokusai-copy")
    with tqdm(total=total, unit="B", unit_scale=True, delay=1, desc=label) as bar:
        try:
            running = {pool.submit(_copy, source, target, each): each for each in listed}
            _follow(running, bar)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _follow(running: dict[Future[None], Listed], bar: Any) -> None:
    left = set(running)
    ticks = 0
    while left:
        done, left = wait(left, timeout=_TICK_S, return_when=FIRST_EXCEPTION)
        for each in done:
            each.result()
            bar.update(running[each].size or 0)
        ticks += 1
        if ticks * _TICK_S > 1:
            bar.refresh()  # of one large file, that it goes on


def _copy(source: Files, target: Files, listed: Listed) -> None:
    path = listed.path
    with tempfile.TemporaryDirectory(prefix="hokusai-") as scratch:
        file = source.at_hand(path, Path(scratch))
        sent = _digest_of(file)
        if listed.size is not None and sent[0] != listed.size:
            raise _damaged(path, f"{sent[0]} bytes were read, {listed.size} are listed")
        target.repository.log_artifact(str(file), posixpath.dirname(path) or None)
    arrived = target.digest(path)
    if arrived != sent:
        raise _damaged(path, f"{sent[0]} bytes were sent, {arrived[0]} arrived, or other ones")


def _damaged(path: str, problem: str) -> MlflowException:
    return MlflowException(
        f"File {path!r} of the model was not copied whole: {problem}. Register it again.",
        error_code=DATA_LOSS,
    )


def require_files(source: Files) -> list[Listed]:
    """The files of a model.

    Raises:
        MlflowException: There is none.
    """
    if listed := source.list():
        return listed
    raise MlflowException(
        f"There are no files at {source.uri!r}, where the model should be.",
        error_code=RESOURCE_DOES_NOT_EXIST,
    )


def _digest_of(file: Path) -> tuple[int, str]:
    with file.open("rb") as opened:
        return _digest(iter(lambda: opened.read(_CHUNK), b""))


def _digest(chunks: Iterator[bytes]) -> tuple[int, str]:
    size, found = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        found.update(chunk)
    return size, found.hexdigest()
