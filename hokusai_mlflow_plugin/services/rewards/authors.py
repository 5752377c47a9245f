"""Whose work a reward is for: they do not decide on it (R20)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone import decision_log
from hokusai_mlflow_plugin.db.history import history_rows
from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.db.rewards.review_rows import Review


def is_author(
    connection: Connection,
    decision: Mapping[str, Any] | None,
    review: Review,
    actor: str | None,
) -> bool:
    """Whether a user made the version of a reward, or wrote a tag that it rests on.

    Who only named himself as its contributor did that, too.

    Args:
        connection: A connection.
        decision: The one that earned the reward; None where it is gone.
        review: That of its event.
        actor: The user; None where the server has none, and nobody can be told apart.
    """
    if actor is None:
        return False
    authors = {review.asked_by}
    if decision is not None:
        version = VersionId(decision["workspace"], decision["name"], decision["version"])
        authors |= decision_log.actors_of(connection, version, decision["creation_time"])
        authors |= history_rows.actors_of(connection, version, "tags_written")
    return _as_one_person(actor) in {_as_one_person(each) for each in authors if each is not None}


def _as_one_person(name: str) -> str:
    """A user's name as directories compare it: many log "Alice" and "alice" in as one person.

    So does MLflow's basic-auth where its users are in MySQL, whose collations compare without
    accents and strokes, too, and do not see marks, formats and controls at all. Too many spellings
    are one person rather than too few: of two who are taken for one, another one can review.
    """
    # Twice: what is compatible with a capital letter becomes one only here.
    letters = unicodedata.normalize("NFKD", name.casefold()).casefold()
    return "".join(map(_plain, unicodedata.normalize("NFKD", letters))).strip()


_LATIN = re.compile(
    "LATIN (?:LETTER |SMALL LETTER |SMALL LIGATURE )"
    "(?:DOTLESS |INSULAR |SMALL CAPITAL )?([A-Z]+)(?: WITH .+)?"
)


def _plain(character: str) -> str:
    """The letters or the digit of ASCII that a character may be equal to; "" for nothing."""
    if character.isascii() and character.isprintable():
        return character
    category = unicodedata.category(character)
    if category[0] in "MC" or category == "Lm":
        return ""
    if (digit := unicodedata.digit(character, None)) is not None:
        return str(digit)
    found = _LATIN.fullmatch(unicodedata.name(character, ""))
    return _OTHERWISE.get(character, found[1].lower() if found else character)


_OTHERWISE = {"ð": "d", "þ": "th"}
"""Letters that are equal to others than those that their names have."""
