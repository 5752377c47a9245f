"""R18: what the owner of a token refuses, in full."""

from __future__ import annotations

import pytest

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.ownership import (
    Ownership,
    Use,
    check_ownership,
    is_only_sender_at_fault,
)

DECLARED = Ownership("default", metrics=frozenset(("rmse", "accuracy")), is_publisher=True)
ELSEWHERE = (
    "hokusai_token_id",
    "token_elsewhere",
    "Token IMG-001 belongs to another workspace of this server, which used or declared it first. "
    "Use a token of your own, or ask an administrator to assign it to this workspace: "
    "'hokusai-mlflow token declare --reassign'.",
)
UNDECLARED = (
    "hokusai_token_id",
    "token_undeclared",
    "Token IMG-001 is not declared, and this registry takes no other (HOKUSAI_TOKENS=declared). An "
    "administrator declares it with 'hokusai-mlflow token declare IMG-001 --metric METRIC "
    "--publisher USER'.",
)
CLOSED = (
    "hokusai_token_id",
    "token_closed",
    "Token IMG-001 is closed: no version may carry it any more.",
)
OTHER_METRIC = (
    "benchmark_metric",
    "token_metric_undeclared",
    "Token IMG-001 does not pay for metric 'f1'; it is declared for accuracy, rmse.",
)
NOT_A_PUBLISHER = (
    "hokusai_token_id",
    "token_publisher",
    "User 'bob' may not put token IMG-001 on versions. An administrator allows it with "
    "'hokusai-mlflow token grant IMG-001 --publisher USER'.",
)


def use(metric: str | None = "accuracy", user: str | None = "bob") -> Use:
    return Use("default", "IMG-001", metric, user)


def owned(*, closed: bool = False, publisher: bool = True) -> Ownership:
    return Ownership("default", DECLARED.metrics, is_closed=closed, is_publisher=publisher)


@pytest.mark.parametrize(
    ("asked", "owner", "declared", "refusals"),
    [
        (use(), None, False, []),
        (use(), Ownership("default"), False, []),
        (use("f1"), owned(closed=True, publisher=False), False, []),
        (use(), Ownership("team-a"), False, [ELSEWHERE]),
        (use("f1"), Ownership("team-a", DECLARED.metrics), True, [ELSEWHERE]),
        (use(), None, True, [UNDECLARED]),
        (use(), Ownership("default", is_publisher=True), True, [UNDECLARED]),
        (use(), DECLARED, True, []),
        (use(None), DECLARED, True, []),
        (use("f1"), DECLARED, True, [OTHER_METRIC]),
        (use(), owned(closed=True), True, [CLOSED]),
        (use(), owned(publisher=False), True, [NOT_A_PUBLISHER]),
        (use(user=None), owned(publisher=False), True, []),
        (
            use("f1"),
            owned(closed=True, publisher=False),
            True,
            [CLOSED, OTHER_METRIC, NOT_A_PUBLISHER],
        ),
    ],
)
def test_what_an_owner_refuses(asked, owner, declared, refusals):
    """Every reason at once; where the token is another workspace's, nothing else is told."""
    found = check_ownership(asked, owner, declared=declared)
    assert found == [Violation(*each) for each in refusals]


@pytest.mark.parametrize("user", ["bob ", " bob"])
def test_a_user_with_a_blank_is_no_publisher(user):
    """MySQL finds the publisher 'bob' for him."""
    (found,) = check_ownership(use(user=user), DECLARED, declared=True)
    assert found.code == "token_publisher"


@pytest.mark.parametrize(
    ("refusals", "only_sender"),
    [
        ([], False),
        ([NOT_A_PUBLISHER], True),
        ([NOT_A_PUBLISHER, NOT_A_PUBLISHER], True),
        ([NOT_A_PUBLISHER, CLOSED], False),
        ([CLOSED], False),
    ],
)
def test_whether_another_user_could_write_it(refusals, only_sender):
    """It is forbidden where the sender is all that is wrong, and else a wrong request."""
    assert is_only_sender_at_fault([Violation(*each) for each in refusals]) is only_sender
