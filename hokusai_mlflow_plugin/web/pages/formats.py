"""How values are written on pages. Exact decimals stay as they are: nothing is rounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from hokusai_mlflow_plugin.domain.contributors import contributors_text
from hokusai_mlflow_plugin.domain.explanations import MEANING

MINUS = "\N{MINUS SIGN}"
MAX_TEXT = 80
"""Characters of what people wrote, in a cell of a table."""
_BETTER = {"maximize": "higher is better", "minimize": "lower is better"}
_OUTCOMES = {
    "baseline": "Baseline",
    "achieved": "DeltaOne",
    "below_threshold": "Below threshold",
    "regressed": "Regressed",
    "direction_unknown": "Direction unknown",
    "copy": "Copy",
    "revoked": "Revoked",
    None: "Undecided",
}

_EVIDENCE = {
    "run_backed": "backed by its run",
    "mismatch": "its run logged another value",
    "reused": "its run backs another reward",
    "claimed": "claimed",
}


def utc(epoch_ms: int) -> str:
    """A time for people, to the second."""
    return f"{_time(epoch_ms)[:19]} UTC"


def minute(epoch_ms: int) -> str:
    """The same to the minute: what a page shows until its script knows the reader's zone."""
    return f"{_time(epoch_ms)[:16]} UTC"


def iso(epoch_ms: int) -> str:
    """A time for programs."""
    day, time = _time(epoch_ms)[:19].split(" ")
    return f"{day}T{time}Z"


def _time(epoch_ms: int) -> str:
    # Not by strftime, which takes five times as long: a page has hundreds.
    return datetime.fromtimestamp(epoch_ms // 1000, tz=timezone.utc).isoformat(" ")


def points(improvement_pp: str | None) -> str:
    """An improvement with its sign, in percentage points: ``+1.5 pp``."""
    if improvement_pp is None:
        return ""
    if improvement_pp.startswith("-"):
        return f"{MINUS}{improvement_pp[1:]} pp"
    return f"{'' if improvement_pp == '0' else '+'}{improvement_pp} pp"


def better(direction: str | None) -> str:
    """A direction in words."""
    return _BETTER.get(direction or "", "direction unknown")


def outcome(name: str | None) -> str:
    """The outcome of a decision in words; None is that of a version without one."""
    return _OUTCOMES[name]


def meaning(outcome_name: str) -> str:
    """What an outcome means for the value to beat and for who is paid."""
    return MEANING[outcome_name]


def evidence(name: str) -> str:
    """What backs a value, in a word or two."""
    return _EVIDENCE[name]


def counted(count: int, noun: str) -> str:
    """``1 version``, ``12,000 versions``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def contributor(version: Mapping[str, Any]) -> str:
    """Who contributed to a version, as its tags write it, cut off; empty for nobody.

    Of several the addresses are shortened before anybody is left out.
    """
    text = contributors_text(tags(version.get("tags", ()))) or ""
    return short(text) if len(text) > MAX_TEXT and " " in text else cut(text)


def tags(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags by their keys."""
    return {tag["key"]: tag["value"] for tag in listed}


def cut(text: str, length: int = MAX_TEXT) -> str:
    """The beginning of a text: a tag may have 100,000 characters, and a page has many."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def short(text: str, head: int = 6, tail: int = 4) -> str:
    """The two ends of an address or a hash; of a text with blanks its beginning.

    Addresses in it, such as those of several contributors with their shares, are shortened alike.
    """
    if " " in text:
        words = text.split(" ")
        return cut(" ".join(short(word) if word.startswith("0x") else word for word in words))
    if len(text) <= head + tail + 1:
        return text
    return f"{text[:head]}…{text[-tail:]}"
