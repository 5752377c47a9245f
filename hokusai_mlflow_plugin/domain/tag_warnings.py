"""What is not refused of a version's tags, but is likely a mistake.

Source: R15.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hokusai_mlflow_plugin.domain.addresses import (
    CHECKSUM_MISMATCH,
    NOT_PAYABLE,
    ZERO_ADDRESS,
    address_note,
)
from hokusai_mlflow_plugin.domain.contributors import (
    CONTRIBUTOR_ADDRESS_TAG,
    CONTRIBUTOR_TAGS,
    check_contributors,
    contributors_of,
    mistyped_contributors,
)
from hokusai_mlflow_plugin.domain.lineage import PREVIOUS_VERSION_TAG, previous_number
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG, is_metric_name
from hokusai_mlflow_plugin.domain.tag_faults import DIRECTION_TAG
from hokusai_mlflow_plugin.domain.tags import Context, is_prompt
from hokusai_mlflow_plugin.domain.tokens import shown


@dataclass(frozen=True)
class TagWarning:
    """One likely mistake in one tag: its key, a code for programs, a sentence for people."""

    key: str
    code: str
    message: str


def warnings_of(
    tags: Mapping[str, str], context: Context, *, previous_is_there: bool | None = None
) -> list[TagWarning]:
    """What is likely a mistake in the tags of a tokenised version; what is refused is not repeated.

    Args:
        tags: All tags of the version.
        context: What they are judged by.
        previous_is_there: Whether the version whose number ``previous_version`` gives is a live,
            older one of the model; None where nobody has looked.
    """
    if is_prompt(tags):
        return []
    return [
        *_direction(tags, context),
        *_contributors(tags),
        *_previous_version(tags, previous_is_there),
    ]


def _direction(tags: Mapping[str, str], context: Context) -> Iterator[TagWarning]:
    metric = tags.get(BENCHMARK_METRIC_TAG, "")
    if not is_metric_name(metric) or metric in context.catalogue or DIRECTION_TAG in tags:
        return
    yield TagWarning(
        BENCHMARK_METRIC_TAG,
        "metric_direction_unknown",
        f"Nobody said whether more or less {metric} is better, so no improvement of it is a "
        f"DeltaOne. Set tag {DIRECTION_TAG} to maximize or minimize, or use a metric of the "
        "catalogue.",
    )


def _contributors(tags: Mapping[str, str]) -> Iterator[TagWarning]:
    if check_contributors(tags) is not None or mistyped_contributors(tags):
        return
    key = next((key for key in CONTRIBUTOR_TAGS if key in tags), None)
    if key is None:
        yield TagWarning(
            CONTRIBUTOR_ADDRESS_TAG,
            "contributor_missing",
            "The version names no contributor, so nobody is paid for it, and once it is a DeltaOne "
            "only an administrator can name one. Set tag "
            f"{CONTRIBUTOR_ADDRESS_TAG} to an Ethereum address.",
        )
        return
    for contributor in contributors_of(tags):
        note = address_note(contributor.text)
        if note == NOT_PAYABLE:
            yield TagWarning(key, "contributor_not_payable", _not_payable(key, contributor.text))
        if note == CHECKSUM_MISMATCH:
            message = (
                f"The upper and lower case of {contributor.text} in tag {key} is not that of its "
                "EIP-55 checksum: compare the address with its source."
            )
            yield TagWarning(key, "contributor_checksum_mismatch", message)


def _not_payable(key: str, text: str) -> str:
    what = "the zero address, which nobody owns" if text == ZERO_ADDRESS else "no Ethereum address"
    return (
        f"Contributor {shown(text)} in tag {key} is {what}, so it cannot be paid. An address is 0x "
        "and 40 hex digits."
    )


def _previous_version(
    tags: Mapping[str, str], previous_is_there: bool | None
) -> Iterator[TagWarning]:
    text = tags.get(PREVIOUS_VERSION_TAG)
    if text is None or (previous_number(tags) is not None and previous_is_there is not False):
        return
    yield TagWarning(
        PREVIOUS_VERSION_TAG,
        "previous_version_unknown",
        f"Tag {PREVIOUS_VERSION_TAG} is {shown(text)}, which is no older version of this model: it "
        "is passed over. Use a version number, such as 3.",
    )
