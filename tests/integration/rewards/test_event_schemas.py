"""R21: the JSON Schema of each type of event, and what is written and what the pages show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.registry import METRIC, TOKEN, VALUE, create_version, token_tags
from support.rewards import events, name_payees, rebase, revoke

from hokusai_mlflow_plugin.domain.reward_events import EventType
from hokusai_mlflow_plugin.web.api.answers.rewards import EVENTS
from hokusai_mlflow_plugin.web.api.event_schemas import event_schemas, event_type

DOCS = Path(__file__).parents[3] / "docs"
SCHEMAS = event_schemas()["schemas"]
WRITTEN = {each.value for each in EventType}
"""Every type of event that the registry writes."""

ONE = "0x" + 40 * "1"


def faults(event: dict[str, Any]) -> list[str]:
    """What an event's schema finds wrong with it."""
    found = Draft202012Validator(SCHEMAS[event["type"]]).iter_errors(event)
    return [f"{'/'.join(map(str, fault.path))}: {fault.message}" for fault in found]


def shown() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every event that a page shows, whole or within an answer, with the page's name."""
    for path in sorted(DOCS.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        for block in re.findall(r"^```(?:json|console)\n(.*?)^```$", page, re.M | re.DOTALL):
            try:
                found = json.loads(re.sub(r"^\$ .*\n", "", block, count=1))
            except ValueError:
                continue
            yield from ((path.name, event) for event in _events(found))


def _events(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and str(value.get("type", "")).startswith("hokusai."):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _events(each)


def test_each_type_has_its_schema() -> None:
    """Every type that is written has a valid schema, and none is made up."""
    assert {event_type(shape) for shape in EVENTS} == set(SCHEMAS) == WRITTEN
    for name, schema in SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:hokusai:event:{name}"
        assert schema["properties"]["type"]["const"] == name


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_what_is_written_keeps_its_schema(store: Any) -> None:
    """Events of one payee, of several, of none who can be paid, and of nobody; with either unit."""
    shares = [{"address": ONE, "weight": 4_000}, {"address": "0x" + 40 * "2", "weight": 6_000}]
    for value, tags in (
        ("0.5", {}),
        ("0.6", {"contributor_address": ONE}),
        ("0.7", {"contributors": json.dumps(shares)}),
        ("0.8", {"contributor": "José 🎉"}),
        ("0.9", {}),
    ):
        create_version(store, tags=token_tags(**{VALUE: value}, **tags))
    for value in ("1", "2"):
        others = {TOKEN: "LAT-001", METRIC: "nobody knows it", "benchmark_direction": "maximize"}
        create_version(store, "other", token_tags(**{VALUE: value}, **others))
    nobody_payable, last = events(store)[2:4]
    name_payees(store, nobody_payable["id"], json.dumps(shares))
    revoke(store, last["id"])
    create_version(store, "typo", token_tags(**{TOKEN: "TYP-001", VALUE: "0.999"}))
    create_version(store, "typo", token_tags(**{TOKEN: "TYP-001", VALUE: "0.4"}))
    store.delete_model_version("typo", "1")
    rebase(store, "TYP-001", "accuracy")
    written = events(store)
    assert {event["type"] for event in written} == WRITTEN
    assert len(written) == 8
    assert [faults(event) for event in written] == [[]] * 8


def test_what_the_pages_show_keeps_its_schema() -> None:
    """Every event of an example has the form of a real one, and each type is shown in events.md."""
    found = list(shown())
    assert {event["type"] for page, event in found if page == "events.md"} == WRITTEN
    assert len({page for page, _event in found}) >= 2
    assert [(page, faults(event)) for page, event in found if faults(event)] == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda event: event.update(more=1),
        lambda event: event.pop("hash"),
        lambda event: event.update(hash="x"),
        lambda event: event.update(sequence="1"),
        lambda event: event.update(sequence=0),
        lambda event: event.update(type="hokusai.deltaone.other"),
        lambda event: event["data"].update(value=0.9),
        lambda event: event["data"].pop("contributors"),
        lambda event: event["data"]["contributors"][0].update(weight="all"),
        lambda event: event["data"]["baseline"].update(more=1),
    ],
)
def test_what_is_no_event(edit: Any) -> None:
    """A schema that took anything would prove nothing."""
    event = json.loads(json.dumps(next(event for _page, event in shown())))
    schema = SCHEMAS[event["type"]]
    edit(event)
    assert not Draft202012Validator(schema).is_valid(event)
