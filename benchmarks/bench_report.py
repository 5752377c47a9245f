"""What was measured: as a table, as JSON, and as a plot."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from bench_timing import Figure

_MARKS = {True: "yes", False: "no"}
_PLOTTED = "list by token, page of 10, store"


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table for each database: a line for each case and peer, a column for each size."""
    return "\n\n".join(
        _of_database(name, [f for f in figures if f.database == name])
        for name in dict.fromkeys(f.database for f in figures)
    )


def _of_database(name: str, figures: Sequence[Figure]) -> str:
    sizes = sorted({f.versions for f in figures})
    columns = " | ".join(f"{size:,}" for size in sizes)
    lines = [
        f"| {name}: ours against … | unit | {columns} | target | met |",
        "|---|---|" + "---|" * len(sizes) + "---|---|",
    ]
    for what, peer in dict.fromkeys((_without_size(f.what), f.peer) for f in figures):
        found = {f.versions: f for f in figures if (_without_size(f.what), f.peer) == (what, peer)}
        cells = " | ".join(_cell(found[size]) if size in found else "" for size in sizes)
        target = next((f.target for f in found.values() if f.target), "")
        met = ", ".join(_MARKS[f.met] for f in found.values() if f.met is not None)
        unit = next(iter(found.values())).unit
        lines.append(f"| {what}: {peer} | {unit} | {cells} | {target} | {met} |")
    return "\n".join(lines)


def _cell(figure: Figure) -> str:
    """The ratio, that of the fastest tenths, and what it is made of."""
    fast = "" if figure.fast_ratio is None else f", {figure.fast_ratio:.3g}"
    return f"**{figure.ratio:.3g}**{fast} ({figure.ours:.4g} ÷ {figure.theirs:.4g})"


def _without_size(what: str) -> str:
    """Without the size of a document, which differs between registries."""
    return re.sub(r" \(\d+ kB\)", "", what)


def write_json(path: Path, figures: Sequence[Figure]) -> None:
    """The figures with what they were measured on."""
    names = ("mlflow", "sqlalchemy", "psycopg", "hokusai-mlflow-plugin")
    content = {
        "measured": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpu_count": os.cpu_count(),
        "load_average": os.getloadavg(),
        "packages": {name: version(name) for name in names},
        "figures": [figure.as_json() for figure in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def plot(path: Path, figures: Sequence[Figure]) -> None:
    """Time of a page of ten over the size of the registry, ours and every peer."""
    import matplotlib as mpl  # noqa: PLC0415  # the table needs none

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    databases = list(dict.fromkeys(figure.database for figure in figures))
    drawing, axes = pyplot.subplots(
        1, len(databases), figsize=(5 * len(databases), 4), sharey=True, squeeze=False
    )
    for axis, database in zip(axes[0], databases, strict=True):
        found = [f for f in figures if f.database == database and f.what == _PLOTTED]
        for peer in dict.fromkeys(f.peer for f in found):
            points = sorted((f.versions, f.theirs) for f in found if f.peer == peer)
            axis.plot(*zip(*points, strict=True), marker="o", label=peer)
        points = sorted({f.versions: f.ours for f in found}.items())
        axis.plot(*zip(*points, strict=True), marker="s", linewidth=2, label="list by token")
        axis.set(xscale="log", yscale="log", title=database, xlabel="model versions")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("ms for ten versions of a token")
    axes[0][-1].legend()
    drawing.tight_layout()
    drawing.savefig(path, dpi=110)
