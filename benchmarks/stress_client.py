"""One client of the stress run: random writes until a time, and what it knows of them.

    python benchmarks/stress_client.py URL NUMBER SEED UNTIL_S

Prints one JSON object. Its own versions are written by it alone, so it knows what is in them;
those of the models that everybody writes to are there to be fought over. At set moments all
clients strike at one place.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stress_api import HOKUSAI, SOURCE, Api, Outcome, Reply, tag_list
from stress_strikes import METRIC, TOKEN, UID, VALUE, Strikes

LASTING = ("model-0", "model-1", "model-2")
"""Models that are never renamed or deleted; their token can only be that of TOKENS."""
TOKENS = {"model-0": "TOK-0", "model-1": "TOK-1", "model-2": "TOK-2"}
SWAPPED = ("swap-a", "swap-b")
"""Names between which one model is renamed to and fro."""
CHURNED = ("churn-0", "churn-1", "churn-2")
"""Models that are created, renamed and deleted."""
SHARED_VERSIONS = ("1", "2", "3")
"""Versions of each lasting model that everybody writes to."""

NOTES = ("note", "framework", "dataset_version")
ADDRESS = "0x742d35cc6634c0532925a3b844bc9e7595f5b4e1"
MAX_OWN = 8
STRIKE_EVERY_S = 0.75
CALM_S = 0.3
"""So long before a strike nothing else is begun."""


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


class Client:
    def __init__(self, api: Api, number: int, seed: int) -> None:
        self.api = api
        self.rng = random.Random(f"{seed}/{number}")
        self.number = number
        self.steps = 0
        self.own: list[Own] = []
        self.strikes = Strikes(api, number, self.rng)

    def run(self, until_s: float) -> None:
        steps: dict[Callable[[], object], int] = {
            self.create: 4,
            self.create_wrong: 1,
            self.copy: 1,
            self.set_own_note: 4,
            self.set_own_ruled: 5,
            self.drop_own: 3,
            self.delete_own: 1,
            self.set_shared: 6,
            self.drop_shared: 3,
            self.stage: 3,
            self.token_of_model: 1,
            self.rename: 1,
            self.churn: 5,
            self.other: 2,
            self.look: 2,
        }
        while (now := time.time()) < until_s:
            # Strikes are counted back from the end, which all clients know.
            left = int((until_s - now) / STRIKE_EVERY_S)
            pause = until_s - left * STRIKE_EVERY_S - now
            if pause < CALM_S:
                time.sleep(pause)
                self.strikes.strike(left)
                continue
            self.steps += 1
            (step,) = self.rng.choices(list(steps), list(steps.values()))
            step()

    # Versions of its own

    def create(self) -> None:
        names = self.rng.choice([*[(name,) for name in LASTING], SWAPPED])
        name = self.rng.choice(names)
        tags = {"note": "new"}
        if self.rng.random() < 0.7:
            tags |= self.valid_tags(TOKENS.get(name, "TOK-SWAP"))
        self.keep(names, name, tags, SOURCE, must=len(names) == 1)

    def create_wrong(self) -> None:
        name = self.rng.choice(LASTING)
        tags = self.valid_tags(TOKENS[name])
        key, wrong = self.rng.choice(
            [(TOKEN, "tok_1"), (VALUE, "nan"), (VALUE, "0_5"), (METRIC, " rmse"), (TOKEN, "TOK")]
        )
        tags[key] = wrong
        reply = self.write("POST", "create", name=name, source=SOURCE, tags=tag_list(tags))
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
        uid = f"{self.number}-{self.steps}"
        tags = {**tags, UID: uid}
        reply = self.write("POST", "create", name=name, source=source, tags=tag_list(tags))
        if must:
            self.api.must(Outcome.DONE, reply, f"create in {name} with {tags}")
        if reply.done:
            version = reply.body["model_version"]["version"]
            known: dict[str, set[str | None]] = {key: {value} for key, value in tags.items()}
            self.own.append(Own(names, version, known, name=name))

    def set_own_note(self) -> None:
        if own := self.any_own():
            self.set_own(own, self.rng.choice(NOTES), str(self.steps), must=own.lasting)

    def set_own_ruled(self) -> None:
        if own := self.any_own():
            key, value = self.ruled_tag(TOKENS.get(own.name, "TOK-SWAP"))
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
        there = [own for own in self.own if own.deleted == {False}]
        return self.rng.choice(there[-MAX_OWN:]) if there else None

    def to_own(self, own: Own, method: str, what: str, **body: str) -> Reply:
        reply = self.write(method, what, name=own.name, version=own.version, **body)
        if reply.status == 404 and not own.lasting:
            own.name = next(name for name in own.names if name != own.name)
        return reply

    @staticmethod
    def learn(possible: set[Any], value: Any, reply: Reply) -> None:
        if reply.done:
            possible.clear()
        if reply.outcome is not Outcome.REFUSED:
            possible.add(value)

    # What everybody writes to

    def set_shared(self) -> None:
        name, version = self.shared()
        key, value = self.ruled_tag(TOKENS[name])
        self.write("POST", "set-tag", name=name, version=version, key=key, value=value)

    def drop_shared(self) -> None:
        name, version = self.shared()
        key = self.rng.choice([TOKEN, METRIC, VALUE, "contributor", "contributor_address"])
        self.write("DELETE", "delete-tag", name=name, version=version, key=key)

    def stage(self) -> None:
        name, version = self.shared()
        if self.rng.random() < 0.5 and (own := self.any_own()):
            name, version = own.name, own.version
        stage = self.rng.choice(["Staging", "Production", "Archived", "None"])
        self.write(
            "POST",
            "transition-stage",
            name=name,
            version=version,
            stage=stage,
            archive_existing_versions=stage in ("Staging", "Production"),
        )

    def token_of_model(self) -> None:
        name = self.rng.choice(LASTING)
        if self.rng.random() < 0.5:
            self.model("POST", "set-tag", name=name, key=TOKEN, value=TOKENS[name])
        else:
            self.model("DELETE", "delete-tag", name=name, key=TOKEN)

    def rename(self) -> None:
        old, new = self.rng.sample(SWAPPED, 2)
        self.model("POST", "rename", name=old, new_name=new)

    def churn(self) -> None:
        name, other = self.rng.sample(CHURNED, 2)
        token, version = self.rng.choice(["TOK-A", "TOK-B"]), self.rng.choice("123")
        tags = self.rng.choice([{}, self.valid_tags(token)])
        key, value = self.ruled_tag(token)
        of_version = {"name": name, "version": version}
        step = self.rng.choice(
            [
                lambda: self.model("POST", "create", name=name),
                lambda: self.model("POST", "create", name=name, tags=tag_list({TOKEN: token})),
                lambda: self.write("POST", "create", name=name, source=SOURCE, tags=tag_list(tags)),
                lambda: self.write("POST", "create", name=name, source=SOURCE, tags=tag_list(tags)),
                lambda: self.write("POST", "set-tag", **of_version, key=key, value=value),
                lambda: self.write("DELETE", "delete-tag", **of_version, key=key),
                lambda: self.model("POST", "set-tag", name=name, key=TOKEN, value=token),
                lambda: self.model("DELETE", "delete-tag", name=name, key=TOKEN),
                lambda: self.write("DELETE", "delete", **of_version),
                lambda: self.write(
                    "POST",
                    "transition-stage",
                    **of_version,
                    stage="Staging",
                    archive_existing_versions=True,
                ),
                lambda: self.model("POST", "rename", name=name, new_name=other),
                lambda: self.model("DELETE", "delete", name=name),
            ]
        )
        step()

    def other(self) -> None:
        name, version = self.shared()
        if self.rng.random() < 0.5:
            self.model("POST", "alias", name=name, alias="champion", version=version)
        else:
            self.write("PATCH", "update", name=name, version=version, description=str(self.steps))

    def look(self) -> None:
        name = self.rng.choice([*LASTING, *SWAPPED, *CHURNED])
        path, parameters = self.rng.choice(
            [
                ("model-versions/list-by-token", {"token_id": TOKENS.get(name, "TOK-A")}),
                ("registered-models/lineage", {"name": name}),
                ("tokens/list", {}),
                ("reward-events/list", {}),
                ("deltaone/detect", {"name": name}),
            ]
        )
        self.api.read(f"{HOKUSAI}/{path}", **parameters)

    # Requests and values

    def write(self, method: str, what: str, **body: Any) -> Reply:
        return self.api.write(method, f"model-versions/{what}", **body)

    def model(self, method: str, what: str, **body: Any) -> Reply:
        return self.api.write(method, f"registered-models/{what}", **body)

    def shared(self) -> tuple[str, str]:
        return self.rng.choice(LASTING), self.rng.choice(SHARED_VERSIONS)

    def valid_tags(self, token: str) -> dict[str, str]:
        metric = self.rng.choice(["accuracy", "rmse"])
        return {TOKEN: token, METRIC: metric, VALUE: self.value(metric)}

    def value(self, metric: str) -> str:
        """A valid value; those of rmse fall with time, so that DeltaOne never ceases."""
        if metric == "accuracy":
            return f"{self.rng.uniform(0, 1):.3f}"
        return f"{1000 - self.steps * 0.05 + self.rng.uniform(-1, 1):.3f}"

    def ruled_tag(self, token: str) -> tuple[str, str]:
        """A tag that the rules look at; one in four is wrong in itself, others beside others."""
        key = self.rng.choice([TOKEN, METRIC, VALUE, VALUE, "contributor", "other"])
        if key == "other":
            key = self.rng.choice(["contributor_address", "benchmark_direction"])
        choices = {
            TOKEN: [token, token, token, "TOK-X", "tok_1", ""],
            METRIC: ["accuracy", "rmse", "throughput", " rmse"],
            VALUE: [self.value("accuracy"), self.value("rmse"), "0_5", "1e400"],
            "contributor": ["alice", "bob", ADDRESS],
            "contributor_address": ["alice", ADDRESS],
            "benchmark_direction": ["maximize", "minimize", "sideways"],
        }
        return key, self.rng.choice(choices[key])


def main() -> None:
    url, number, seed, until_s = sys.argv[1:]
    client = Client(Api(url), int(number), int(seed))
    client.run(float(until_s))
    own = [
        {
            "uid": next(iter(own.tags.pop(UID))),
            "deleted": list(own.deleted),
            "tags": {key: list(values) for key, values in own.tags.items()},
        }
        for own in client.own
    ]
    own += [{"uid": uid, "deleted": [True], "tags": {}} for uid in client.strikes.deleted]
    api = client.api
    found = {"statuses": api.statuses, "faults": api.faults, "outages": api.outages}
    print(json.dumps({**found, "writes": api.writes, "own": own}))


if __name__ == "__main__":
    main()
