"""The pages: one table, from which the blueprint is made.

Each has the access rule of a REST route, and asks that route's query or one that is made of it: a
permission has one home.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hokusai_mlflow_plugin.services.queries import (
    findings,
    ledger_pages,
    model_histories,
    tag_validation,
    token_histories,
)
from hokusai_mlflow_plugin.services.queries.by_route import Query
from hokusai_mlflow_plugin.web.access import Rule
from hokusai_mlflow_plugin.web.api.routes import ROUTES
from hokusai_mlflow_plugin.web.pages import parameters, views
from hokusai_mlflow_plugin.web.pages.links import Links
from hokusai_mlflow_plugin.web.pages.parameters import PageParameters

Json = dict[str, Any]

_RULES = {route.path: route.rule for route in ROUTES}


@dataclass(frozen=True)
class Page:
    """One page: its fixed path under the root, and what it shows."""

    path: str
    route: str
    """The REST route whose access rule it has."""
    parameters: type[PageParameters]
    query: Query
    view: Callable[[Json, Json, Links], Json]
    """Takes the query's answer, the parameters and the links; gives what the template shows."""
    template: str
    of_view: frozenset[str] = frozenset(("workspace",))
    """The parameters that the query does not take."""

    @property
    def rule(self) -> Rule:
        return _RULES[self.route]

    @property
    def is_filtered(self) -> bool:
        """Whether the query takes ``visible``: the models that the sender may read."""
        return self.rule in (Rule.READ_MODEL, Rule.READABLE)


PAGES = (
    Page(
        "",
        "tokens/list",
        parameters.TokensPage,
        token_histories.tokens_with_history,
        views.tokens,
        "tokens.html",
    ),
    Page(
        "token",
        "tokens/get",
        parameters.TokenPage,
        token_histories.token_with_history,
        views.token,
        "token.html",
        frozenset(("workspace", "over")),
    ),
    Page(
        "model",
        "registered-models/lineage",
        parameters.ModelPage,
        model_histories.model_with_history,
        views.model,
        "model.html",
        frozenset(("workspace", "over")),
    ),
    Page(
        "version",
        "deltaone/detect",
        parameters.VersionPage,
        model_histories.version_with_history,
        views.as_it_is,
        "version.html",
    ),
    Page(
        "ledger",
        "reward-events/list",
        parameters.LedgerPage,
        ledger_pages.newest_events,
        views.as_it_is,
        "ledger.html",
    ),
    Page(
        "event",
        "reward-events/list",
        parameters.EventPage,
        ledger_pages.one_event,
        views.event,
        "event.html",
    ),
    Page(
        "findings",
        "policy/list",
        parameters.FindingsPage,
        findings.list_findings,
        views.as_it_is,
        "findings.html",
    ),
    Page(
        "try",
        "tags/validate",
        parameters.TryPage,
        tag_validation.try_tags,
        views.as_it_is,
        "try.html",
    ),
)
