"""What a name looks like: two names of one skeleton are taken for each other by people.

Source: R3.
"""

from __future__ import annotations

import unicodedata

_LATIN_OF = str.maketrans(
    # Cyrillic, then Greek, then other letters; capitals apart, because some resemble another one.
    "асеіјоԛрѕԝхуһԁкмтвнгпАСЕІЈОРЅХУКМТВНαοριντκυεχΑΒΕΗΙΚΜΝΟΡΤΥΧıɑɡօսո",
    "aceijoqpswxyhdkmtbhrnaceijopsxykmtbhaopivtkuexabehikmnoptyxiagoun",
)
_DIGITS = str.maketrans("1i0", "llo")


def skeleton(name: str) -> str:
    """A name without case, separators, accents, and alphabets whose letters look like Latin ones.

    ``Accuracy``, ``accuracy.`` and ``ACCURACY`` in full width are all ``accuracy``.
    """
    decomposed = unicodedata.normalize("NFKD", name).translate(_LATIN_OF).casefold()
    return "".join(filter(str.isalnum, decomposed))


def rough_skeleton(name: str) -> str:
    """The same with ``1``, ``l`` and ``i`` taken for one sign, and ``0`` and ``o``."""
    return skeleton(name).translate(_DIGITS)
