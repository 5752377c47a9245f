"""Keys of tags that a database may take for another.

Source: R4. Only the database knows what it holds to be equal. What is here tells the few keys that
are worth asking it about, so that all other writes cost nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tokens import shown

_MOST_LETTERS = 3
"""How many letters of ASCII one character may be equal to, such as a ligature."""
_LETTERS = ("LETTER", "IDEOGRAPH", "SYLLABLE")


@lru_cache(maxsize=4096)
def resembled(key: str, ruled: frozenset[str]) -> tuple[str, ...]:
    """Those of some keys that a database might take another key for, in order.

    Too many rather than too few: collations differ in case, accents, trailing blanks, width,
    special letters, and in what they do not see at all.
    """
    if key in ruled:
        return ()
    # Of ASCII alone: 'İ' in lower case would be two characters, and none of them Latin.
    folded = "".join(each.lower() if each.isascii() else each for each in key.rstrip())
    if folded.isascii():
        return (folded,) if folded in ruled else ()
    if any(_stands_apart(each) for each in folded if not each.isascii()):
        return ()
    # What a collation does not see can hide that a blank is a trailing one; no ruled key has any.
    folded = folded.replace(" ", "")
    head = next(n for n, each in enumerate(folded) if not each.isascii())
    tail = next(n for n, each in enumerate(reversed(folded)) if not each.isascii())
    alike = (
        each
        for each in ruled
        if each.startswith(folded[:head])
        and each.endswith(folded[len(folded) - tail :])
        and sum(map(str.isascii, folded)) <= len(each) <= _MOST_LETTERS * len(folded)
    )
    return tuple(sorted(alike))


def respelt_key(key: str, ruled: Iterable[str]) -> Violation:
    """A key that the database takes for a ruled one: every client would see a tag of no meaning."""
    meant = " or ".join(ruled)
    return Violation(
        key,
        "tag_key_respelt",
        f"This database takes tag key {shown(key)} for {meant}. Write {meant} as it is spelt.",
    )


def _stands_apart(character: str) -> bool:
    """Whether a character is for certain neither equal to letters of ASCII nor to nothing.

    Modifiers, marks and signs of every script may be equal to nothing: the Arabic tatweel is, by
    newer collations.
    """
    parts = unicodedata.normalize("NFKD", character)
    if unicodedata.category(character) == "Lm" or any(map(str.isascii, parts)):
        return False
    if any("LATIN" in unicodedata.name(each, "") for each in parts):
        return False
    return any(kind in unicodedata.name(character, "") for kind in _LETTERS)
