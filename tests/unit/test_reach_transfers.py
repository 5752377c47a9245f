"""R16: what is copied arrives whole, or not at all; here from folder to folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException

from hokusai.reach import transfers
from hokusai.reach.transfers import AT_ONCE, Files, copy_files, require_files

NAMES = ["MLmodel", "data/model.pkl", "data/deep/er/ä b.txt", "empty"]


@pytest.fixture
def source(tmp_path: Path) -> Files:
    """A folder with a few files."""
    for number, name in enumerate(NAMES):
        file = tmp_path / "source" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"" if name == "empty" else os.urandom(1000 + number))
        os.utime(file, (1_700_000_000, 1_700_000_000))  # clocks of file systems are coarse
    return Files(str(tmp_path / "source"), "")


@pytest.fixture
def target(tmp_path: Path) -> Files:
    """A folder with nothing in it."""
    (tmp_path / "target").mkdir()
    return Files(str(tmp_path / "target"), "")


def copied(source: Files, target: Files) -> str:
    return copy_files(source, target, require_files(source), "copying")


def test_each_file_and_a_manifest(source: Files, target: Files, tmp_path: Path) -> None:
    """Every file is there as it was; ``sha256sum`` finds them by the manifest."""
    digest = copied(source, target)
    for name in NAMES:
        there = (tmp_path / "target" / name).read_bytes()
        assert there == (tmp_path / "source" / name).read_bytes()
    manifest = tmp_path / "target" / "hokusai_files.sha256"
    assert hashlib.sha256(manifest.read_bytes()).hexdigest() == digest
    command = ["sha256sum", "--check", "--strict", "--quiet", manifest.name]
    subprocess.run(command, cwd=manifest.parent, check=True)
    assert [line[66:] for line in manifest.read_text("utf-8").splitlines()] == sorted(NAMES)


def test_a_name_that_is_escaped(tmp_path: Path) -> None:
    """A path with a backslash or a line end is one line, as ``sha256sum`` has it."""
    (tmp_path / "a\\b\nc").write_bytes(b"x")
    command = ["sha256sum", "a\\b\nc"]
    told = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert transfers.manifest_line("a\\b\nc", hashlib.sha256(b"x").hexdigest()) == told


def test_a_copy_of_a_copy(source: Files, target: Files, tmp_path: Path) -> None:
    """It has one manifest, and that is the same."""
    digest = copied(source, target)
    (tmp_path / "third").mkdir()
    assert copied(target, Files(str(tmp_path / "third"), "")) == digest


def after_sending(target: Files, name: str, change: Any, patch: pytest.MonkeyPatch) -> None:
    """Have something happen to a file once the store has it."""
    send = target.repository.log_artifact

    def log_artifact(local_file: str, artifact_path: str | None = None) -> None:
        send(local_file, artifact_path)
        if local_file.endswith(name):
            change(Path(local_file))

    patch.setattr(target.repository, "log_artifact", log_artifact)


@pytest.mark.parametrize(
    ("left", "told"), [(b"x", "1 arrived"), (None, "it is not there")], ids=["shorter", "gone"]
)
@pytest.mark.parametrize("name", ["model.pkl", "hokusai_files.sha256"])
def test_a_file_that_did_not_arrive(
    source: Files,
    target: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    left: bytes | None,
    told: str,
    name: str,
) -> None:
    """A file that is not there, or of another size, is an error that names it."""

    def damage(_sent: Path) -> None:
        (there,) = (tmp_path / "target").rglob(name)
        if left is None:
            there.unlink()
        else:
            there.write_bytes(left)

    after_sending(target, name, damage, monkeypatch)
    with pytest.raises(MlflowException, match=f"{name}' of the model was not .*{told}") as error:
        copied(source, target)
    assert error.value.error_code == "DATA_LOSS"


def test_a_file_that_is_written_to_meanwhile(
    source: Files, target: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent may be neither the old nor the new file."""
    after_sending(target, "model.pkl", lambda sent: sent.write_bytes(os.urandom(1001)), monkeypatch)
    with pytest.raises(MlflowException, match=r"model.pkl'.* it was written to meanwhile"):
        copied(source, target)


@pytest.mark.parametrize("damaged", [False, True])
def test_a_store_that_says_no_size(
    source: Files,
    target: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damaged: bool,
) -> None:
    """There, files are read back and compared by digest."""
    listing = target.repository.list_artifacts

    def list_artifacts(path: str | None = None) -> list[FileInfo]:
        return [FileInfo(each.path, each.is_dir, None) for each in listing(path)]

    monkeypatch.setattr(target.repository, "list_artifacts", list_artifacts)
    if not damaged:
        copied(source, target)
        return
    changed = tmp_path / "target" / "data" / "model.pkl"
    after_sending(
        target, "model.pkl", lambda _sent: changed.write_bytes(os.urandom(1001)), monkeypatch
    )
    with pytest.raises(MlflowException, match=r"model.pkl'.* other bytes arrived"):
        copied(source, target)


def test_files_at_once(
    source: Files, target: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several are on their way at a time, and never more than that."""
    for number in range(4 * AT_ONCE):
        (tmp_path / "source" / f"{number}.bin").write_bytes(os.urandom(1_000_000))
    copy, running, most, lock = transfers._copy, 0, 0, threading.Lock()

    def watched(*args: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return copy(*args)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(transfers, "_copy", watched)
    copied(source, target)
    assert 1 < most <= AT_ONCE


@pytest.mark.parametrize("slow", [False, True])
def test_progress(
    source: Files,
    target: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    slow: bool,
) -> None:
    """What takes longer than a second shows how far it is, and anything else nothing."""
    if slow:
        after_sending(target, "model.pkl", lambda _sent: time.sleep(2.5), monkeypatch)
    begun = time.monotonic()
    copied(source, target)
    was_quick = time.monotonic() - begun < 1  # a busy machine may take longer
    told = capsys.readouterr().err
    assert ("copying:" in told) != was_quick
    assert not (slow and was_quick)
    if slow:
        total = sum(each.size or 0 for each in require_files(source)) / 1000
        without = total - 1.001
        assert f"{without:.2f}k/{total:.2f}k" in told  # the others were done, it went on
        assert f"{total:.2f}k/{total:.2f}k" in told
