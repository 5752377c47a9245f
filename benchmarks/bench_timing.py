"""Timing cases against each other: interleaved, so that a busy machine slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

MIN_SAMPLES = 3


@dataclass(frozen=True)
class Figure:
    """One measurement of ours beside its peer's, from the same interleaved run."""

    database: str
    versions: int
    what: str
    peer: str
    ours: float
    theirs: float
    unit: str
    """``ms`` (the ratio is better when small), ``req/s`` (when great) or ``MiB``."""
    target: str = ""
    ours_fast: float | None = None
    theirs_fast: float | None = None
    """The tenth percentile of times: what remains where the machine was busy with other work."""

    @property
    def ratio(self) -> float:
        """Ours through theirs."""
        return self.ours / self.theirs

    @property
    def fast_ratio(self) -> float | None:
        """The ratio of the tenth percentiles."""
        if self.ours_fast is None or self.theirs_fast is None:
            return None
        return self.ours_fast / self.theirs_fast

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if not self.target:
            return None
        bound = float(self.target[1:])
        return self.ratio <= bound if self.target[0] == "≤" else self.ratio >= bound

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "fast_ratio": self.fast_ratio, "met": self.met}


@dataclass(frozen=True)
class Times:
    """What one case took, in milliseconds."""

    median: float
    fast: float


def times_ms(
    cases: Mapping[str, Callable[[], Any]], rounds: int, budget_s: float = 10.0
) -> dict[str, Times]:
    """What each case takes, one call of each in turn.

    A case that has used up ``budget_s`` and has three samples is left out of further rounds.
    """
    for case in cases.values():
        case()
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for _round in range(rounds):
        for name, case in cases.items():
            found = samples[name]
            if len(found) >= MIN_SAMPLES and sum(found) > budget_s:
                continue
            begin = time.perf_counter()
            case()
            found.append(time.perf_counter() - begin)
    return {
        name: Times(statistics.median(found) * 1000, _tenth(found) * 1000)
        for name, found in samples.items()
    }


def in_time(
    database: str, versions: int, what: str, peer: str, ours: Times, theirs: Times, target: str = ""
) -> Figure:
    """The figure of two times."""
    return Figure(
        database,
        versions,
        what,
        peer,
        ours.median,
        theirs.median,
        "ms",
        target,
        ours.fast,
        theirs.fast,
    )


def _tenth(samples: list[float]) -> float:
    return sorted(samples)[len(samples) // 10]
