"""Which version a version improves on.

Source: R12.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

PREVIOUS_VERSION_TAG = "previous_version"

_COPY_SOURCE = re.compile(r"models:/+(?P<name>[^/@]+)/(?P<version>[0-9]{1,9})")
_LOGGED_MODEL = re.compile(r"models:/+(?P<model_id>m-[0-9a-f]{32})")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


# A tuple: pages look thousands of them up, and a dataclass is hashed and compared in Python.
class VersionKey(NamedTuple):
    """A model version inside one workspace."""

    name: str
    version: int


@dataclass(frozen=True)
class Parent:
    """The parent of a version, and what makes it so.

    ``relation`` is ``previous_version``, ``copy`` or ``preceding``.
    """

    name: str
    version: int
    relation: str


def copied_from(source: str | None) -> VersionKey | None:
    """The version that a source of the form ``models:/NAME/VERSION`` names, else None."""
    match = _COPY_SOURCE.fullmatch(source or "")
    if match is None:
        return None
    return VersionKey(unquote(match["name"]), int(match["version"]))


def logged_model_of(source: str | None) -> str | None:
    """The id of the logged model that a source of the form ``models:/m-…`` names, else None."""
    match = _LOGGED_MODEL.fullmatch(source or "")
    return None if match is None else match["model_id"]


def previous_number(tags: Mapping[str, str]) -> int | None:
    """The version number that tag ``previous_version`` gives, else None."""
    text = tags.get(PREVIOUS_VERSION_TAG, "")
    return int(text) if _VERSION.fullmatch(text) else None


def named_previous(tags: Mapping[str, str], key: VersionKey) -> VersionKey | None:
    """The older version of the same model that tag ``previous_version`` names, else None."""
    number = previous_number(tags)
    if number is None or number >= key.version:
        return None
    return VersionKey(key.name, number)


def parent_of(
    key: VersionKey,
    tags: Mapping[str, str],
    origin: VersionKey | None,
    preceding: VersionKey | None,
    live: frozenset[VersionKey],
) -> Parent | None:
    """The parent of a version by R12, or None for a first one.

    Args:
        key: The version.
        tags: Its tags.
        origin: The version that its source names, by :func:`copied_from`.
        preceding: The tokenised version before it in the same model.
        live: Of the versions that tag and source may name, those that exist and are not deleted.
    """
    previous = named_previous(tags, key)
    if previous in live and previous is not None:
        return Parent(previous.name, previous.version, "previous_version")
    if origin is not None and origin != key and origin in live:
        return Parent(origin.name, origin.version, "copy")
    if preceding is not None:
        return Parent(preceding.name, preceding.version, "preceding")
    return None
