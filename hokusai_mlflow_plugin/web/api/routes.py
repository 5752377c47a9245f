"""The routes: one table, from which the blueprint and the API's description are made.

A route is one entry here and one in ``services.queries.by_route``; one that changes something, in
``services.reward_commands`` or ``services.tokens.declaring``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hokusai_mlflow_plugin.services import reward_commands
from hokusai_mlflow_plugin.services.queries.by_route import QUERIES, Query
from hokusai_mlflow_plugin.services.reward_commands import Command
from hokusai_mlflow_plugin.services.tokens import declaring
from hokusai_mlflow_plugin.web.access import Rule
from hokusai_mlflow_plugin.web.api import parameters
from hokusai_mlflow_plugin.web.api.answers import (
    declarations,
    history,
    policy,
    rewards,
    tokens,
    versions,
)
from hokusai_mlflow_plugin.web.api.parameters import Parameters

COMMANDS = {**reward_commands.COMMANDS, **declaring.COMMANDS}
"""What routes change, by path."""


@dataclass(frozen=True)
class Route:
    """One REST route: its fixed path under each prefix, and what it asks or changes."""

    method: str
    path: str
    parameters: type[Parameters]
    answer: Any
    """The shape of the answer, a ``TypedDict``."""
    rule: Rule
    summary: str
    not_found: str | None = None
    """When the route answers 404, if it does."""
    conflict: str | None = None
    """When the route answers 409, if it does."""

    @property
    def endpoint(self) -> str:
        return self.path.replace("/", "_").replace("-", "_").replace(".", "_")

    @property
    def query(self) -> Query:
        return QUERIES[self.path]

    @property
    def command(self) -> Command | None:
        """What it changes; None where it only asks."""
        return COMMANDS.get(self.path)

    @property
    def is_filtered(self) -> bool:
        """Whether the query takes ``visible``: the models that the sender may read."""
        return self.rule in (Rule.READ_MODEL, Rule.READABLE)


NO_SUCH_EVENT = "No reward event of the workspace has this id."
NO_SUCH_MODEL = "No registered model has this name."
NOT_DECLARED = "The token is not declared in this workspace."

ROUTES = (
    Route(
        "GET",
        "model-versions/list-by-token",
        parameters.ListByToken,
        versions.ModelVersions,
        Rule.READABLE,
        "Model versions of a token, newest first.",
    ),
    Route(
        "GET",
        "registered-models/lineage",
        parameters.GetLineage,
        versions.Lineage,
        Rule.READ_MODEL,
        "Tokenised versions of a model, oldest first, each with its decision and its parent.",
        NO_SUCH_MODEL,
    ),
    Route(
        "GET",
        "tokens/list",
        parameters.ListTokens,
        tokens.Tokens,
        Rule.READABLE,
        "Tokens that have model versions, in the order of their ids.",
    ),
    Route(
        "GET",
        "tokens/get",
        parameters.GetToken,
        tokens.OneToken,
        Rule.READABLE,
        "One token, its series and its contributors.",
        "No version that the user may read carries this token, and no reward event names it.",
    ),
    Route(
        "POST",
        "tags/validate",
        parameters.ValidateTags,
        policy.TagsValidated,
        Rule.READABLE,
        "What a registration with these tags would be refused for, and likely mistakes in them.",
    ),
    Route(
        "GET",
        "deltaone/detect",
        parameters.Detect,
        versions.Detected,
        Rule.READ_MODEL,
        "Whether a model's latest tokenised version achieved DeltaOne, and why.",
        NO_SUCH_MODEL,
    ),
    Route(
        "GET",
        "reward-events/list",
        parameters.ListRewardEvents,
        rewards.RewardEvents,
        Rule.READABLE,
        "Reward events in commit order.",
    ),
    Route(
        "POST",
        "reward-events/revoke",
        parameters.RevokeEvent,
        rewards.OneRewardEvent,
        Rule.ADMIN,
        "Take back the latest DeltaOne of a series that stands.",
        NO_SUCH_EVENT,
        "The event is a correction, was revoked already, or a later one of its series stands.",
    ),
    Route(
        "POST",
        "reward-events/name-payees",
        parameters.NamePayees,
        rewards.OneRewardEvent,
        Rule.ADMIN,
        "Name who is paid for a DeltaOne that had nobody who can be paid.",
        NO_SUCH_EVENT,
        "The event has payees, was settled or revoked, is in review, or is a correction.",
    ),
    Route(
        "POST",
        "series/rebase",
        parameters.RebaseSeries,
        rewards.OneRewardEvent,
        Rule.ADMIN,
        "Have a series, whose value to beat nobody earned, begin anew with the best value left.",
        "The token has no series of this metric.",
        "The value to beat was earned, no version is left, or the best one still has it.",
    ),
    Route(
        "POST",
        "reward-events/approve",
        parameters.ApproveEvent,
        rewards.OneRewardEvent,
        Rule.ADMIN,
        "Have an event that is in review delivered; not by who made its version.",
        NO_SUCH_EVENT,
        "The event is not in review.",
    ),
    Route(
        "POST",
        "reward-events/reject",
        parameters.RevokeEvent,
        rewards.OneRewardEvent,
        Rule.ADMIN,
        "Revoke an event that is in review, so that it is never delivered.",
        NO_SUCH_EVENT,
        "The event is not in review, or a later one of its series stands.",
    ),
    Route(
        "POST",
        "reward-events/settle",
        parameters.SettleEvent,
        rewards.Settled,
        Rule.SETTLER,
        "Say what the reward service did about an event; the same again changes nothing.",
        NO_SUCH_EVENT,
        "The event was settled otherwise, is in review, or is a correction.",
    ),
    Route(
        "GET",
        "reward-events/checkpoint",
        parameters.Nothing,
        rewards.NewestCheckpoint,
        Rule.LOGGED_IN,
        "The newest signed checkpoint of the workspace's reward ledger.",
        "No checkpoint was made yet.",
    ),
    Route(
        "GET",
        "policy/list",
        parameters.ListFindings,
        policy.Findings,
        Rule.ADMIN,
        "What the audit policy let pass and does not conform yet, by model and version.",
    ),
    Route(
        "GET",
        "registered-models/history",
        parameters.GetModelHistory,
        history.History,
        Rule.READ_MODEL,
        "What happened to a model with tokenised versions, newest first.",
        NO_SUCH_MODEL,
    ),
    Route(
        "GET",
        "tokens/history",
        parameters.GetTokenHistory,
        history.History,
        Rule.READABLE,
        "What happened to a token and under it, newest first.",
    ),
    Route(
        "POST",
        "tokens/declare",
        parameters.DeclareToken,
        declarations.OneDeclaration,
        Rule.ADMIN,
        "Declare a token, or declare it anew.",
    ),
    Route(
        "POST",
        "tokens/grant",
        parameters.ChangePublishers,
        declarations.OneDeclaration,
        Rule.ADMIN,
        "Let users put a declared token on versions.",
        NOT_DECLARED,
    ),
    Route(
        "POST",
        "tokens/revoke",
        parameters.ChangePublishers,
        declarations.OneDeclaration,
        Rule.ADMIN,
        "Let users put a declared token on versions no more.",
        NOT_DECLARED,
    ),
    Route(
        "POST",
        "tokens/close",
        parameters.CloseToken,
        declarations.OneDeclaration,
        Rule.ADMIN,
        "Let nobody put a declared token on versions any more.",
        NOT_DECLARED,
    ),
    Route(
        "GET",
        "tokens/publishers",
        parameters.GetToken,
        declarations.OneDeclaration,
        Rule.ADMIN,
        "What a token is declared for, and who may put it on versions.",
        NOT_DECLARED,
    ),
    Route(
        "GET",
        "tokens/check",
        parameters.CheckTokens,
        declarations.CheckedTokens,
        Rule.ADMIN,
        "Tokens with series in other workspaces than their own, of the whole server.",
    ),
)
