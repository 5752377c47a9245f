"""The improvement history of a model: a list, a table, a picture.

Source: specification section "Model Lineage Tracking", R12.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hokusai.arguments import optional_text
from hokusai.entities import LineageVersion
from hokusai.pages import link

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["Lineage"]


def __dir__() -> list[str]:
    return __all__


_COLUMNS = (
    "version",
    "token_id",
    "benchmark_metric",
    "benchmark_value",
    "outcome",
    "improvement_pp",
    "measured_against",
    "parent",
    "contributor",
    "contributor_address",
    "creation_timestamp",
)
_SHOWN = {
    "version": "version",
    "token_id": "token",
    "benchmark_metric": "metric",
    "benchmark_value": "value",
    "outcome": "outcome",
    "improvement_pp": "points",
    "measured_against": "measured against",
    "parent": "parent",
    "contributor": "contributor",
    "creation_timestamp": "registered (UTC)",
}
"""Columns of a table for people, and their heads."""


class Lineage(list[LineageVersion]):
    """Tokenised versions of one model, oldest first."""

    def __init__(
        self, name: str, versions: Iterable[LineageVersion] = (), url: str | None = None
    ) -> None:
        super().__init__(versions)
        self.name = name
        """Name of the registered model."""
        self.url = url
        """The address of the model's page, for a browser; None for a database without server."""

    def to_pandas(self) -> pandas.DataFrame:
        """One row for each version, oldest first.

        Values and improvements are floats here, for plots and statistics: what is paid rests on
        the exact decimals of the items. Times are UTC.

        Columns: ``version``, ``token_id``, ``benchmark_metric``, ``benchmark_value``, ``outcome``,
        ``improvement_pp`` over ``measured_against``, ``parent``, ``contributor`` as the tags write
        it, ``contributor_address`` where it can be paid, ``creation_timestamp``.
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
            ValueError: No version has the metric, or there is no version.
            ImportError: matplotlib is not installed.
        """
        from hokusai.plotting import plot_lineage  # noqa: PLC0415  # needs matplotlib

        return plot_lineage(self, optional_text("metric", metric), ax)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{title}</th>" for title in _SHOWN.values())
        body = "".join(f"<tr>{_cells(version)}</tr>" for version in self)
        caption = f"<caption>{html.escape(self.name)}: lineage, oldest first</caption>"
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return self._picture() + table + link(self.url, "This model in the browser")

    def _picture(self) -> str:
        """The plot as an image inside the HTML, so that a notebook that is kept or sent has it.

        Nothing where there is nothing to draw, or nothing to draw with.
        """
        try:
            from hokusai.plotting import png_of  # noqa: PLC0415  # needs matplotlib
        except ImportError:
            return ""
        if not self:
            return ""
        data = base64.b64encode(png_of(self)).decode()
        told = html.escape(f"Values of {self.name} over its versions; the table has them, too")
        return f'<img src="data:image/png;base64,{data}" alt="{told}" width="720">'


def _cells(version: LineageVersion) -> str:
    row = _row(version)
    row["creation_timestamp"] = _time_text(row["creation_timestamp"])
    values = ("" if row[column] is None else str(row[column]) for column in _SHOWN)
    return "".join(f"<td>{html.escape(value)}</td>" for value in values)


def _time_text(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _version_text(found: Mapping[str, Any] | None) -> str | None:
    return None if found is None else f"{found['name']} v{found['version']}"


def _row(version: LineageVersion) -> dict[str, Any]:
    decision = version.decision or {}
    return {
        "version": int(version.version),
        "token_id": version.token_id,
        "benchmark_metric": version.benchmark_metric,
        "benchmark_value": version.benchmark_value,
        "outcome": decision.get("outcome"),
        "improvement_pp": decision.get("improvement_pp"),
        "measured_against": _version_text(decision.get("baseline")),
        "parent": None if version.parent is None else _version_text(vars(version.parent)),
        "contributor": version.contributor,
        "contributor_address": version.contributor_address,
        "creation_timestamp": version.creation_timestamp,
    }
