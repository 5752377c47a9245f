"""The improvement history of a model: a list, a table, a picture.

Source: specification section "Model Lineage Tracking", R12.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hokusai.entities import LineageVersion

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

_COLUMNS = (
    "version",
    "token_id",
    "benchmark_metric",
    "benchmark_value",
    "outcome",
    "improvement_pp",
    "contributor_address",
    "parent",
    "creation_timestamp",
)


class Lineage(list[LineageVersion]):
    """Tokenised versions of one model, oldest first."""

    def __init__(self, name: str, versions: Iterable[LineageVersion] = ()) -> None:
        super().__init__(versions)
        self.name = name
        """Name of the registered model."""

    def to_pandas(self) -> pandas.DataFrame:
        """One row for each version, oldest first.

        Values and improvements are floats here, for plots and statistics: what is paid rests on
        the exact decimals of the items. Times are UTC.
        """
        import pandas  # noqa: PLC0415  # heavy, and only needed here

        frame = pandas.DataFrame([_row(version) for version in self], columns=list(_COLUMNS))
        for column in ("benchmark_value", "improvement_pp"):
            frame[column] = pandas.to_numeric(frame[column])
        frame["creation_timestamp"] = pandas.to_datetime(
            frame["creation_timestamp"], unit="ms", utc=True
        )
        return frame

    def plot(self, metric: str | None = None, ax: Axes | None = None) -> Axes:
        """Values over versions, the head to beat as a step line, each DeltaOne marked.

        Args:
            metric: The metric to show; by default that of the latest version.
            ax: Where to draw; a new figure by default.

        Raises:
            ValueError: No version has the metric.
            ImportError: matplotlib is not installed.
        """
        from hokusai.plotting import plot_lineage  # noqa: PLC0415  # needs matplotlib

        return plot_lineage(self, metric, ax)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
        body = "".join(f"<tr>{_cells(version)}</tr>" for version in self)
        caption = f"<caption>{html.escape(self.name)}: lineage, oldest first</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(version: LineageVersion) -> str:
    values = ("" if value is None else str(value) for value in _row(version).values())
    return "".join(f"<td>{html.escape(value)}</td>" for value in values)


def _row(version: LineageVersion) -> dict[str, Any]:
    decision = version.decision or {}
    parent = version.parent
    return {
        "version": int(version.version),
        "token_id": version.token_id,
        "benchmark_metric": version.benchmark_metric,
        "benchmark_value": version.benchmark_value,
        "outcome": decision.get("outcome"),
        "improvement_pp": decision.get("improvement_pp"),
        "contributor_address": version.contributor_address,
        "parent": None if parent is None else f"{parent.name} v{parent.version}",
        "creation_timestamp": version.creation_timestamp,
    }
