"""Where the lines of a lineage run beside its rows, as in the graph of a version control system.

A lane is kept as long as a parent is awaited in it, so there are as many as there are parents
awaited at a time: a model of 1,000 versions in a row has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Key = tuple[str, str]
"""Name and number of a version."""

MAX_LANES = 10
"""More would take the room of the table; what has no lane has its parent in words."""


@dataclass(frozen=True)
class Row:
    """What is drawn beside one version. Lanes are numbered from 0."""

    lane: int
    from_above: str | None
    """The relation of the line that comes in from the versions after it, or None."""
    goes_on: str | None
    """The relation of the line to its parent that goes down in its own lane, or None."""
    joins: tuple[int, str] | None
    """A lane that already leads to its parent, and the relation; or None."""
    passing: Sequence[tuple[int, str]]
    """Lanes that pass by, and the relations of their lines."""
    is_open: bool
    """Whether its parent is not among the rows, so that its line ends beside it."""


def rows(keys: Sequence[Key], parents: Mapping[Key, tuple[Key, str]]) -> list[Row]:
    """The lines beside versions, newest first.

    Args:
        keys: The versions, from the newest.
        parents: The parent of each that has one, and the relation.
    """
    below = {key: number for number, key in enumerate(keys)}
    lanes: list[tuple[Key, str] | None] = []
    found = []
    for number, key in enumerate(keys):
        lane = next((i for i, each in enumerate(lanes) if each and each[0] == key), None)
        awaited = None if lane is None else lanes[lane]
        if lane is None:
            lane = _free(lanes)
        has_lane = lane < len(lanes)
        if has_lane:
            lanes[lane] = None
        passing = [(i, each[1]) for i, each in enumerate(lanes) if each]
        parent, relation = parents.get(key, (None, ""))
        joined = next((i for i, each in enumerate(lanes) if each and each[0] == parent), None)
        is_drawn = parent is not None and below.get(parent, -1) > number
        is_drawn = is_drawn and (has_lane or joined is not None)
        goes_on = is_drawn and joined is None
        if goes_on and parent is not None:
            lanes[lane] = (parent, relation)
        found.append(
            Row(
                lane=lane,
                from_above=awaited[1] if awaited else None,
                goes_on=relation if goes_on else None,
                joins=(joined, relation) if is_drawn and joined is not None else None,
                passing=passing,
                is_open=parent is not None and not is_drawn,
            )
        )
    return found


def _free(lanes: list[tuple[Key, str] | None]) -> int:
    """The first lane that nothing is awaited in; one that is none, where there are too many."""
    for number, each in enumerate(lanes):
        if each is None:
            return number
    if len(lanes) < MAX_LANES:
        lanes.append(None)
        return len(lanes) - 1
    return MAX_LANES
