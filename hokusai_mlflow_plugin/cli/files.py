"""Files that commands read and write: notes, and what is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hokusai_mlflow_plugin.domain.errors import InvalidNote

_MAX_NOTE_BYTES = 64 << 10


def read_note(path: Path) -> str:
    """The text of a file that holds a note.

    Raises:
        InvalidNote: It cannot be one.
    """
    with path.open("rb") as file:
        content = file.read(_MAX_NOTE_BYTES + 1)
    try:
        if len(content) <= _MAX_NOTE_BYTES:
            return content.decode()
    except UnicodeDecodeError:
        pass
    raise InvalidNote(f"{path} is no signed note.")


def replace_file(path: Path, text: str) -> None:
    """Write a file that readers find whole at any time, the old one or the new one."""
    with whole_file(path) as file:
        file.write(text.encode())


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place when the block has ended well; else nothing is left of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # The same rights as a file that is opened in the usual way.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
