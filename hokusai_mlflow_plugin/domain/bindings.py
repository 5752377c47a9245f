"""Versions that get their token tags from the registered model and from what was logged.

Source: R17.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hokusai_mlflow_plugin.domain.contributors import CONTRIBUTOR_ADDRESS_TAG, CONTRIBUTOR_TAGS
from hokusai_mlflow_plugin.domain.lineage import copied_from
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tag_faults import PROMPT_TAG, REQUIRED_TAGS
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG

BOUND_TAG = "hokusai_tags_from"
"""On a version that was tokenised by its registered model: what logged its value."""

BINDING_TAGS = (TOKEN_ID_TAG, BENCHMARK_METRIC_TAG, PROMPT_TAG)
"""The tags of a registered model that say what its versions become."""


@dataclass(frozen=True)
class Binding:
    """The token and the metric of a registered model."""

    token_id: str
    benchmark_metric: str


class LoggedValue(Protocol):
    """A value that was logged under one of a metric's names."""

    @property
    def value(self) -> float:
        """As a float."""

    @property
    def logged_by(self) -> str:
        """The run that logged it."""


L = TypeVar("L", bound=LoggedValue)


def binding_of(model_tags: Mapping[str, str]) -> Binding | None:
    """What a registered model makes of its versions; None where it leaves them alone."""
    token_id, metric = model_tags.get(TOKEN_ID_TAG), model_tags.get(BENCHMARK_METRIC_TAG)
    prompt = model_tags.get(PROMPT_TAG, "").lower() == "true"
    return None if prompt or not token_id or not metric else Binding(token_id, metric)


def may_be_bound(version_tags: Mapping[str, str], source: str | None) -> bool:
    """Whether a new version leaves its token tags to the registered model.

    One that brings a token tag of its own does not, nor a copy, which keeps what it brings, nor a
    prompt.
    """
    if any(key in version_tags for key in REQUIRED_TAGS) or copied_from(source) is not None:
        return False
    return version_tags.get(PROMPT_TAG, "").lower() != "true"


def counting(found: Sequence[L]) -> L | None:
    """The value that counts of what was logged, in the order in which evidence looks (R14).

    The run comes before the logged model. Of the run it is the latest value, under the first of
    the metric's names that it logged; of the logged model the value that was logged last, on
    whichever data set.
    """
    return found[0] if found else None


def bound_tags(
    binding: Binding,
    logged: LoggedValue,
    version_tags: Mapping[str, str],
    contributor: str | None,
) -> dict[str, str]:
    """The tags that a bound version gets beside its own: exactly what was logged, and by whom.

    Args:
        binding: That of its registered model.
        logged: The value that counts.
        version_tags: What the version brings itself.
        contributor: Tag ``contributor_address`` of its run, if it has one.
    """
    tags = {
        TOKEN_ID_TAG: binding.token_id,
        BENCHMARK_METRIC_TAG: binding.benchmark_metric,
        BENCHMARK_VALUE_TAG: repr(logged.value),
        BOUND_TAG: logged.logged_by,
    }
    if contributor is not None and not any(key in version_tags for key in CONTRIBUTOR_TAGS):
        tags[CONTRIBUTOR_ADDRESS_TAG] = contributor
    return tags
