"""The files that pages need, each at an address that changes with its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FOLDER = "assets/"

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HASH_LENGTH = 16


@dataclass(frozen=True)
class Asset:
    """A file as it is served."""

    name: str
    content: bytes
    type: str

    @property
    def path(self) -> str:
        """Its path under the pages' root.

        Fixed for as long as the content is, so that a browser need never ask for it twice, and
        without a parameter, as MLflow's basic-auth wants paths.
        """
        stem, _, ending = self.name.rpartition(".")
        digest = hashlib.sha256(self.content).hexdigest()[:_HASH_LENGTH]
        return f"{FOLDER}{stem}.{digest}.{ending}"


@cache
def all_assets() -> tuple[Asset, ...]:
    """Every file of the folder, by name."""
    found = sorted(files(__package__).joinpath("assets").iterdir(), key=lambda file: file.name)
    return tuple(
        Asset(file.name, file.read_bytes(), _TYPES[file.name.rpartition(".")[2]]) for file in found
    )
