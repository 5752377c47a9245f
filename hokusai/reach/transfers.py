"""Moving a model's files from one artifact store to another, several at once, and checked (R16).

A file of this machine is sent as it is; any other one is on this machine's disk only while it is
sent. With the files goes a manifest of the SHA-256 of each, in the form of ``sha256sum``, by which
whoever loads the model can check what was sent; whether all of it arrived, sizes tell at once.
"""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import DATA_LOSS, RESOURCE_DOES_NOT_EXIST

from hokusai.mlflow_compat import download_file, local_folder, open_files
from hokusai_mlflow_plugin.domain.origin import MANIFEST

AT_ONCE = 4
"""Files that are moved at the same time; as many may be on this machine's disk."""
_TICK_S = 0.5
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Listed:
    """One file of a model."""

    path: str
    size: int | None
    """In bytes; None where the store does not say."""


@dataclass(frozen=True)
class _Sent:
    """What one file was when it was sent."""

    size: int
    sha256: str


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


def copy_files(source: Files, target: Files, listed: Sequence[Listed], label: str) -> str:
    """Copy files and a manifest of them, with a progress bar where it takes longer than a second.

    On an error, or an interruption, those that are being sent are waited for, and no other is
    begun: what is undone afterwards stays undone.

    Returns:
        The SHA-256 of the manifest, in hex.

    Raises:
        MlflowException: A file could not be read or written, or did not arrive whole.
    """
    from tqdm.auto import tqdm  # noqa: PLC0415  # few who import the client copy anything

    # A copy that is copied has one already, which the new one replaces.
    listed = [each for each in listed if each.path != MANIFEST]
    total = sum(each.size or 0 for each in listed)
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hokusai-copy")
    with tqdm(total=total, unit="B", unit_scale=True, delay=1, desc=label) as bar:
        try:
            running = {pool.submit(_copy, source, target, each): each for each in listed}
            _follow(running, bar)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    sent = {each.path: future.result() for future, each in running.items()}
    sent[MANIFEST] = _send_manifest(target, sent)
    _require_arrived(target, sent)
    return sent[MANIFEST].sha256


def _follow(running: Mapping[Future[_Sent], Listed], bar: Any) -> None:
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


def _copy(source: Files, target: Files, listed: Listed) -> _Sent:
    path = listed.path
    with tempfile.TemporaryDirectory(prefix="hokusai-") as scratch:
        file = source.at_hand(path, Path(scratch))
        before = file.stat()
        sent = _read(file)
        if listed.size is not None and sent.size != listed.size:
            raise _damaged(path, f"{sent.size} bytes were read, {listed.size} are listed")
        target.repository.log_artifact(str(file), posixpath.dirname(path) or None)
        after = file.stat()
    # It was read once for its digest and once to be sent.
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise _damaged(path, "it was written to meanwhile")
    return sent


def _send_manifest(target: Files, sent: Mapping[str, _Sent]) -> _Sent:
    with tempfile.TemporaryDirectory(prefix="hokusai-") as scratch:
        file = Path(scratch) / MANIFEST
        lines = (manifest_line(path, each.sha256) for path, each in sorted(sent.items()))
        file.write_text("".join(lines), encoding="utf-8", newline="\n")
        target.repository.log_artifact(str(file))
        return _read(file)


def _require_arrived(target: Files, sent: Mapping[str, _Sent]) -> None:
    """Refuse a copy that lacks a file, or has one of another size.

    A file whose size the store does not say is read back.
    """
    arrived = {each.path: each.size for each in target.list()}
    for path, each in sent.items():
        if path not in arrived:
            raise _damaged(path, f"{each.size} bytes were sent, and it is not there")
        size = arrived[path]
        if size is None:
            with tempfile.TemporaryDirectory(prefix="hokusai-") as scratch:
                read = _read(target.at_hand(path, Path(scratch)))
            if read != each:
                raise _damaged(path, "other bytes arrived than were sent")
        elif size != each.size:
            raise _damaged(path, f"{each.size} bytes were sent, {size} arrived")


def manifest_line(path: str, sha256: str) -> str:
    """A file's line as ``sha256sum`` writes and reads it: a path with a line end is escaped."""
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == path else "\\"
    return f"{mark}{sha256}  {escaped}\n"


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


def _read(file: Path) -> _Sent:
    size, digest = 0, hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            size += len(chunk)
            digest.update(chunk)
    return _Sent(size, digest.hexdigest())
