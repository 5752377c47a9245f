"""JSON Schemas of reward events, one for each type, for who receives them.

Pydantic makes them from the same shapes that the feed's answers are held to; a new type of event
is one more shape in ``answers.rewards.EVENTS``.
"""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter

from hokusai_mlflow_plugin.web.api.answers.rewards import EVENTS

Json = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_schemas() -> Json:
    """Shape: ``schemas``, the JSON Schema (2020-12) of each type of event, by type."""
    return {"schemas": {event_type(each): _schema(each) for each in EVENTS}}


def event_type(shape: Any) -> str:
    """The type of event that has this shape."""
    (found,) = get_args(get_type_hints(shape)["type"])
    return str(found)


def _schema(shape: Any) -> Json:
    return {
        "$schema": _DIALECT,
        "$id": f"urn:hokusai:event:{event_type(shape)}",
        **TypeAdapter(shape).json_schema(),
    }
