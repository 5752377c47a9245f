"""The tables of SECURITY.md, and what a server answers in their terms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import requests
from security.seeds import CONTRIBUTOR, TOKEN
from security.servers import PREFIX, Auth, Server

SECURITY = Path(__file__).parents[2] / "SECURITY.md"
LISTS = (
    *("model_versions", "lineage", "tokens", "reward_events", "findings", "violations", "entries"),
)
NO_EVENT = {"id": "not-the-id-of-an-event"}
BODIES: dict[str, dict[str, Any]] = {
    "tags/validate": {"tags": [{"key": "hokusai_token_id", "value": TOKEN}]},
    "reward-events/revoke": {**NO_EVENT, "reason": "a typo"},
    "reward-events/name-payees": {
        **NO_EVENT,
        "contributors": [{"address": CONTRIBUTOR, "weight": 10_000}],
        "reason": "a typo",
    },
    "series/rebase": {"token_id": TOKEN, "benchmark_metric": "recall", "reason": "a typo"},
    "reward-events/approve": NO_EVENT,
    "reward-events/reject": {**NO_EVENT, "reason": "a typo"},
    "reward-events/settle": {**NO_EVENT, "status": "paid", "reference": "0x1"},
    "tokens/declare": {"token_id": TOKEN, "metrics": ["accuracy"]},
    "tokens/grant": {"token_id": TOKEN, "publishers": ["newcomer"]},
    "tokens/revoke": {"token_id": TOKEN, "publishers": ["leaver"]},
    "tokens/close": {"token_id": TOKEN},
}

Cells = dict[str, str]
"""What is expected, by role."""


def routes_matrix() -> dict[tuple[str, str], Cells]:
    """The cells of the table of routes, by method and address."""
    found = {}
    for request, cells in _table("request").items():
        method, _, target = request.partition(" ")
        found[method, target] = cells
    return found


def pages_matrix() -> dict[str, Cells]:
    """The cells of the table of pages, by address."""
    return _table("page")


def _table(subject: str) -> dict[str, Cells]:
    text = SECURITY.read_text().partition(f"| {subject} | administrator ")
    lines = "".join(text[1:]).partition("\n\n")[0].splitlines()
    head, _line, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def request_as(server: Server, method: str, target: str, auth: Auth | None) -> requests.Response:
    """One of the table's requests, with a body where it takes one."""
    body = BODIES[target] if method == "POST" else None
    url = server.url + PREFIX + target
    return requests.request(method, url, json=body, auth=auth, timeout=60)


def cell(answer: requests.Response) -> str:
    """A route's answer as the table has it: the status, and how many items there are."""
    if answer.status_code != 200:
        return str(answer.status_code)
    found: dict[str, Any] = answer.json()
    counts = [f"{len(each)} {name}" for name, each in found.items() if name in LISTS]
    if "decision" in found:  # of one version: its history is no list that the sender's rights cut
        counts = []
    if "token" in found:
        counts = [f"{found['token']['version_count']} versions"]
    return ", ".join(["200", *counts[:1]])


def page_cell(answer: requests.Response) -> str:
    """A page as the table has it: the status, and how many rows or cards its list has."""
    if answer.status_code != 200 or re.search("/(version|event|try)", answer.url):
        return str(answer.status_code)
    rows = answer.text.rpartition("<tbody>")[2].count('<th scope="row"')
    cards = answer.text.count('<div class="what">')
    return f"200, {rows or cards} rows"
