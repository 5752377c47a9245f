"""What the registry knows of each metric: which way is better, in what unit, within what bounds.

Source: R8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from hokusai_mlflow_plugin.domain.look_alikes import rough_skeleton, skeleton
from hokusai_mlflow_plugin.domain.values import plain

DEFAULT_THRESHOLD = Decimal("0.01")
"""One percentage point."""


class Direction(str, Enum):
    """Which way a metric gets better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> int:
        return 1 if self is Direction.MAXIMIZE else -1


@dataclass(frozen=True)
class Metric:
    """One metric of the catalogue."""

    name: str
    task: str
    direction: Direction
    unit: str
    lower: Decimal | None = None
    upper: Decimal | None = None
    threshold: Decimal = DEFAULT_THRESHOLD
    """The least improvement that is a DeltaOne, in the metric's own unit."""
    aliases: tuple[str, ...] = ()
    """Its other names; ``name`` is the canonical one."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    def bounds_text(self) -> str:
        """The bounds for people: ``0 to 1``, ``at least 0``, or nothing."""
        if self.lower is not None and self.upper is not None:
            return f"{plain(self.lower)} to {plain(self.upper)}"
        if self.lower is not None:
            return f"at least {plain(self.lower)}"
        return "" if self.upper is None else f"at most {plain(self.upper)}"

    def allows(self, value: Decimal) -> bool:
        """Whether a value lies within the bounds, ends included."""
        above = self.lower is None or value >= self.lower
        return above and (self.upper is None or value <= self.upper)


class Catalogue(Mapping[str, Metric]):
    """Metrics by each of their names."""

    def __init__(self, metrics: Iterable[Metric] = (), *, closed: bool = False) -> None:
        """Metrics of which no two share a name.

        Args:
            metrics: The metrics.
            closed: Whether a version of any other metric is refused.
        """
        self.metrics = tuple(metrics)
        self.closed = closed
        self._by_name = {name: metric for metric in self.metrics for name in metric.names}
        self._by_look: dict[str, Metric] = {}
        for look in (skeleton, rough_skeleton):
            for name, metric in self._by_name.items():
                self._by_look.setdefault(look(name), metric)

    def __getitem__(self, name: str) -> Metric:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def meant_by(self, name: str) -> Metric | None:
        """The metric that has this name, or one that looks like it (R3)."""
        if name in self._by_name:
            return self._by_name[name]
        look = skeleton(name)
        return self._by_look.get(look) or self._by_look.get(rough_skeleton(name))

    def canonical(self, name: str) -> str:
        """The name of the series that values under a name belong to (R8)."""
        metric = self.meant_by(name)
        return name if metric is None else metric.name

    def names_of(self, name: str) -> tuple[str, ...]:
        """All names of the metric that has this one."""
        return self._by_name[name].names if name in self._by_name else (name,)
