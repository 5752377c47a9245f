"""Versions that one client of the stress run writes alone, so that it knows what is in them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stress_api import SOURCE, Api, Outcome, Reply, tag_list
from stress_strikes import METRIC, TOKEN, UID, VALUE
from stress_values import LASTING, NOTES, SWAPPED, TOKENS, Values

MAX_OWN = 8


@dataclass
class Own:
    """A version that only its client writes to, with every state that it may be in."""

    names: tuple[str, ...]
    version: str
    tags: dict[str, set[str | None]]
    deleted: set[bool] = field(default_factory=lambda: {False})
    name: str = ""
    """The name under which it was last found."""

    def __post_init__(self) -> None:
        self.name = self.name or self.names[0]

    @property
    def lasting(self) -> bool:
        return len(self.names) == 1


class OwnVersions:
    """All versions of one client, and its steps on them."""

    def __init__(self, api: Api, values: Values, number: int) -> None:
        self.api = api
        self.values = values
        self.rng: random.Random = values.rng
        self.number = number
        self.all: list[Own] = []

    @property
    def steps(self) -> Mapping[Callable[[], object], int]:
        """What it does with them, and how often."""
        return {
            self.create: 4,
            self.create_wrong: 1,
            self.copy: 1,
            self.set_own_note: 4,
            self.set_own_ruled: 5,
            self.drop_own: 3,
            self.delete_own: 1,
        }

    def create(self) -> None:
        names = self.rng.choice([*[(name,) for name in LASTING], SWAPPED])
        name = self.rng.choice(names)
        tags = {"note": "new"}
        if self.rng.random() < 0.7:
            tags |= self.values.valid_tags(TOKENS.get(name, "TOK-SWAP"))
        self.keep(names, name, tags, SOURCE, must=len(names) == 1)

    def create_wrong(self) -> None:
        name = self.rng.choice(LASTING)
        tags = self.values.valid_tags(TOKENS[name])
        key, wrong = self.rng.choice(
            [(TOKEN, "tok_1"), (VALUE, "nan"), (VALUE, "0_5"), (METRIC, " rmse"), (TOKEN, "TOK")]
        )
        tags[key] = wrong
        reply = self.api.write_version(
            "POST", "create", name=name, source=SOURCE, tags=tag_list(tags)
        )
        self.api.must(Outcome.REFUSED, reply, f"create {tags}")

    def copy(self) -> None:
        original = self.any_own()
        if original is None or any(len(values) > 1 for values in original.tags.values()):
            return
        known = {key: value for key, (value,) in original.tags.items() if value is not None}
        name = self.rng.choice(LASTING)
        source = f"models:/{original.name}/{original.version}"
        self.keep((name,), name, known, source, must=False)

    def keep(
        self, names: tuple[str, ...], name: str, tags: dict[str, str], source: str, *, must: bool
    ) -> None:
        uid = f"{self.number}-{self.values.steps}"
        tags = {**tags, UID: uid}
        reply = self.api.write_version(
            "POST", "create", name=name, source=source, tags=tag_list(tags)
        )
        if must:
            self.api.must(Outcome.DONE, reply, f"create in {name} with {tags}")
        if reply.done:
            version = reply.body["model_version"]["version"]
            known: dict[str, set[str | None]] = {key: {value} for key, value in tags.items()}
            self.all.append(Own(names, version, known, name=name))

    def set_own_note(self) -> None:
        if own := self.any_own():
            self.set_own(own, self.rng.choice(NOTES), str(self.values.steps), must=own.lasting)

    def set_own_ruled(self) -> None:
        if own := self.any_own():
            key, value = self.values.ruled_tag(TOKENS.get(own.name, "TOK-SWAP"))
            self.set_own(own, key, value, must=False)

    def set_own(self, own: Own, key: str, value: str, *, must: bool) -> None:
        reply = self.to_own(own, "POST", "set-tag", key=key, value=value)
        if must:
            self.api.must(Outcome.DONE, reply, f"set {key} of {own}")
        self.learn(own.tags.setdefault(key, {None}), value, reply)

    def drop_own(self) -> None:
        if own := self.any_own():
            key = self.rng.choice([*NOTES, "contributor", VALUE, METRIC, TOKEN])
            reply = self.to_own(own, "DELETE", "delete-tag", key=key)
            if own.lasting and key in NOTES:
                self.api.must(Outcome.DONE, reply, f"delete {key} of {own}")
            self.learn(own.tags.setdefault(key, {None}), None, reply)

    def delete_own(self) -> None:
        if own := self.any_own():
            reply = self.to_own(own, "DELETE", "delete")
            if own.lasting:
                self.api.must(Outcome.DONE, reply, f"delete {own}")
            self.learn(own.deleted, True, reply)

    def any_own(self) -> Own | None:
        """One of the latest of its own that are surely there."""
        there = [own for own in self.all if own.deleted == {False}]
        return self.rng.choice(there[-MAX_OWN:]) if there else None

    def to_own(self, own: Own, method: str, what: str, **body: str) -> Reply:
        reply = self.api.write_version(method, what, name=own.name, version=own.version, **body)
        if reply.status == 404 and not own.lasting:
            own.name = next(name for name in own.names if name != own.name)
        return reply

    @staticmethod
    def learn(possible: set[Any], value: Any, reply: Reply) -> None:
        if reply.done:
            possible.clear()
        if reply.outcome is not Outcome.REFUSED:
            possible.add(value)
