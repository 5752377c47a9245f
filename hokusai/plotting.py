"""The picture of a lineage. Needs matplotlib, which MLflow brings."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hokusai.entities import LineageVersion

if TYPE_CHECKING:
    from hokusai.lineage import Lineage

_VALUE_COLOUR, _HEAD_COLOUR, _DELTA_COLOUR = "#4c72b0", "#888888", "#c44e52"
_BETTER = {"maximize": "higher is better", "minimize": "lower is better"}


def plot_lineage(lineage: Lineage, metric: str | None, ax: Axes | None) -> Axes:
    """Draw the versions of a lineage that have a metric; see ``Lineage.plot``."""
    if not lineage:
        raise ValueError(f"Model {lineage.name!r} has no tokenised version to draw.")
    metric = metric or lineage[-1].benchmark_metric
    shown = [version for version in lineage if version.benchmark_metric == metric]
    if not shown:
        known = ", ".join(sorted({version.benchmark_metric for version in lineage}))
        raise ValueError(
            f"No version of model {lineage.name!r} has a value of {metric!r}. It has: {known}."
        )
    if ax is None:
        _figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    numbers = [int(version.version) for version in shown]
    values = [float(version.benchmark_value) for version in shown]
    ax.plot(numbers, values, "o-", color=_VALUE_COLOUR, label="value", zorder=2)
    _draw_heads(ax, shown, numbers)
    _draw_achieved(ax, shown)
    ax.set_xlabel("version")
    ax.set_ylabel(metric, parse_math=False)
    # Versions have no fractions, also where there is only one and the axis is short.
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    # A name is no formula, though it may have two dollar signs in it.
    ax.set_title(f"{lineage.name}: {metric}{_direction(shown)}", parse_math=False)
    ax.margins(x=0.06, y=0.18)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    return ax


def png_of(lineage: Lineage) -> bytes:
    """The plot of a lineage that is not empty, as a PNG; no figure of pyplot's is left open."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    plot_lineage(lineage, None, figure.subplots())
    image = BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return image.getvalue()


def _draw_heads(ax: Axes, shown: list[LineageVersion], numbers: list[int]) -> None:
    """The head after each version: the value that the next one has to beat."""
    heads: list[tuple[float, float]] = []
    for number, version in zip(numbers, shown, strict=True):
        decision = version.decision or {}
        if decision.get("outcome") in ("baseline", "achieved"):
            heads.append((number, float(decision["value"])))
        elif decision.get("baseline"):
            heads.append((number, float(decision["baseline"]["value"])))
    if heads:
        heads.append((numbers[-1] + 0.5, heads[-1][1]))
        ax.step(
            [number for number, _value in heads],
            [value for _number, value in heads],
            where="post",
            color=_HEAD_COLOUR,
            linestyle="--",
            label="head (value to beat)",
            zorder=1,
        )


def _draw_achieved(ax: Axes, shown: list[LineageVersion]) -> None:
    achieved = [v for v in shown if (v.decision or {}).get("outcome") == "achieved"]
    if not achieved:
        return
    ax.scatter(
        [int(version.version) for version in achieved],
        [float(version.benchmark_value) for version in achieved],
        marker="*",
        s=220,
        color=_DELTA_COLOUR,
        label="DeltaOne",
        zorder=3,
    )
    for version in achieved:
        decision = version.decision or {}
        above = decision["direction"] == "maximize"
        ax.annotate(
            f"{decision['improvement_pp']} pp better",
            (int(version.version), float(version.benchmark_value)),
            textcoords="offset points",
            # On the side that is better, where the line does not pass.
            xytext=(0, 12 if above else -12),
            ha="center",
            va="bottom" if above else "top",
            color=_DELTA_COLOUR,
        )


def _direction(shown: list[LineageVersion]) -> str:
    declared = [(version.decision or {}).get("direction") for version in shown]
    known = [direction for direction in declared if direction is not None]
    return f" ({_BETTER[known[-1]]})" if known else " (direction unknown)"
