"""What the templates are given, from the answers of the queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hokusai_mlflow_plugin.web.pages import formats, lanes
from hokusai_mlflow_plugin.web.pages.charts import Chart, Mark, Point, chart, head_after, spark
from hokusai_mlflow_plugin.web.pages.links import Links

Json = dict[str, Any]

SPARK_WIDTH, SPARK_HEIGHT = 112, 32


@dataclass(frozen=True)
class SeriesChart:
    """The values of one metric, drawn."""

    metric: str
    direction: str | None
    unit: str | None
    chart: Chart


def tokens(answer: Json, _parameters: Json, _links: Links) -> Json:
    """Each token's series with their latest values."""
    for token in answer["tokens"]:
        for series in token["series"]:
            series["spark"] = _spark(token["latest"], series["benchmark_metric"])
        known = {series["benchmark_metric"] for series in token["series"]}
        token["undirected"] = sorted(
            {point["benchmark_metric"] for point in token["latest"]} - known
        )
    return answer


def token(answer: Json, parameters: Json, links: Links) -> Json:
    """A token's charts, its contributors from the one who achieved most, its versions."""
    charts = series_charts(answer["versions"], parameters["over"], links, named=True)
    people = sorted(answer["token"]["contributors"], key=_achieved, reverse=True)
    return {**answer, "charts": charts, "contributors": people}


def model(answer: Json, parameters: Json, links: Links) -> Json:
    """A model's charts, and its versions with their ancestors beside the lines of lineage."""
    newest = answer["lineage"][::-1]
    charts = series_charts(newest, parameters["over"], links, named=False)
    # Where times are equal, what is of this model comes after what it descends from.
    listed = sorted(
        [*answer["ancestors"], *answer["lineage"]],
        key=lambda item: (
            item["model_version"].get("creation_timestamp", 0),
            item["model_version"]["name"] == answer["name"],
            int(item["model_version"]["version"]),
        ),
        reverse=True,
    )
    parents = {
        _key(item["model_version"]): (_key(item["parent"]), item["parent"]["relation"])
        for item in listed
        if item["parent"]
    }
    rows = lanes.rows([_key(item["model_version"]) for item in listed], parents)
    return {
        **answer,
        "charts": charts,
        "rows": list(zip(listed, rows, strict=True)),
        "lane_count": 1 + max((_last_lane(row) for row in rows), default=0),
    }


def event(answer: Json, _parameters: Json, _links: Links) -> Json:
    """An event, and each of the three as the text that its hash is of."""
    texts = {
        place: _text(answer[place]) if answer[place] else None
        for place in ("previous", "event", "next")
    }
    return {**answer, "texts": texts}


def as_it_is(answer: Json, _parameters: Json, _links: Links) -> Json:
    """What the query answers."""
    return answer


def _text(event: Json) -> str:
    return json.dumps(event, indent=2, ensure_ascii=False)


def _key(version: Json) -> lanes.Key:
    return version["name"], version["version"]


def _last_lane(row: lanes.Row) -> int:
    return max(row.lane, row.joins[0] if row.joins else 0, *(lane for lane, _ in row.passing), 0)


def series_charts(
    versions: Sequence[Json], over: str, links: Links, *, named: bool
) -> list[SeriesChart]:
    """A chart of each metric of versions, that with the most values first.

    Args:
        versions: As lineage has them, newest first.
        over: See ``charts.chart``.
        links: To the pages of the versions.
        named: Whether they are of several models.
    """
    by_metric: dict[str, list[Json]] = {}
    for version in versions:
        by_metric.setdefault(version["benchmark_metric"], []).append(version)
    found = []
    for metric, its in sorted(by_metric.items(), key=lambda item: (-len(item[1]), item[0])):
        points = [_point(version, links, named=named) for version in reversed(its)]
        decided = [version["decision"] for version in its if version["decision"]]
        direction = next((each["direction"] for each in decided if each["direction"]), None)
        unit = next((each["unit"] for each in decided if each["unit"]), None)
        found.append(SeriesChart(metric, direction, unit, chart(points, over)))
    return found


def _point(version: Json, links: Links, *, named: bool) -> Point:
    model_version, decision = version["model_version"], version["decision"] or {}
    name, number = model_version["name"], model_version["version"]
    outcome = decision.get("outcome")
    told = [
        f"{formats.cut(name)} v{number}",
        f"{version['benchmark_metric']} {version['benchmark_value']}",
        formats.outcome(outcome),
        formats.points(decision.get("improvement_pp")),
        formats.contributor(model_version),
    ]
    baseline = decision.get("baseline") or {}
    return Point(
        # What was decided on; a version without a decision has its tag's value alone.
        value=str(decision.get("value", version["benchmark_value"])),
        time_ms=model_version.get("creation_timestamp", 0),
        outcome=outcome,
        head=head_after(outcome, decision.get("value", ""), baseline.get("value")),
        label=" · ".join(text for text in told if text),
        link=links.version(name, number),
        tick=None if named else f"v{number}",
    )


def _spark(latest: Sequence[Mapping[str, Any]], metric: str) -> Sequence[Mark]:
    its = [
        (point["benchmark_value"], point["outcome"])
        for point in latest
        if point["benchmark_metric"] == metric
    ]
    return spark(its, SPARK_WIDTH, SPARK_HEIGHT) if its else ()


def _achieved(person: Json) -> tuple[int, Decimal, int]:
    improvements = person["improvements"]
    return (
        sum(each["deltaone_count"] for each in improvements),
        sum((Decimal(each["improvement_pp"]) for each in improvements), Decimal(0)),
        person["version_count"],
    )
