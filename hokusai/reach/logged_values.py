"""What a version of a bound model was measured at, where it was made (R17).

The same rule by which the registry's server looks in its own tables (``db/deltaone/evidence.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Metric

from hokusai.mlflow_compat import latest_metrics
from hokusai.reach.origins import Origin
from hokusai_mlflow_plugin.domain.bindings import binding_of, bound_tags, counting, may_be_bound
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.contributors import CONTRIBUTOR_ADDRESS_TAG


@dataclass(frozen=True)
class _Logged:
    value: float
    logged_by: str


def tags_of_binding(
    origin: Origin, model_tags: Mapping[str, str], version_tags: Mapping[str, str]
) -> dict[str, str]:
    """The token tags of a version by its registered model; empty where that makes it none.

    Args:
        origin: What is registered.
        model_tags: Those of the registered model.
        version_tags: Those that the version brings.
    """
    binding = binding_of(model_tags)
    if binding is None or not may_be_bound(version_tags, None):
        return {}
    names = BUILT_IN.names_of(BUILT_IN.canonical(binding.benchmark_metric))
    logged = counting(list(_logged(origin, names)))
    if logged is None:
        return {}
    contributor = None if origin.run is None else origin.run.data.tags.get(CONTRIBUTOR_ADDRESS_TAG)
    return bound_tags(binding, logged, version_tags, contributor)


def _logged(origin: Origin, names: Sequence[str]) -> Iterator[_Logged]:
    if origin.run is not None:
        latest = {each.key: each.value for each in latest_metrics(origin.run)}
        found = [latest[name] for name in names if name in latest]
        yield from (_Logged(each, origin.run.info.run_id) for each in found if each == each)  # noqa: PLR0124  # NaN
    if origin.model is not None:
        for each in sorted(origin.model.metrics or (), key=_latest_first):
            if each.key in names and not math.isnan(each.value):
                yield _Logged(each.value, each.run_id)


def _latest_first(metric: Metric) -> tuple[int, int]:
    return -metric.timestamp, -metric.step
