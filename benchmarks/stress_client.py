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

from stress_api import HOKUSAI, SOURCE, Api, tag_list
from stress_own import OwnVersions
from stress_strikes import METRIC, TOKEN, UID, VALUE, Strikes
from stress_values import CHURNED, LASTING, SHARED_VERSIONS, SWAPPED, TOKENS, Values

STRIKE_EVERY_S = 0.75
CALM_S = 0.3
"""So long before a strike nothing else is begun."""


class Client:
    def __init__(self, api: Api, number: int, seed: int) -> None:
        self.api = api
        self.rng = random.Random(f"{seed}/{number}")
        self.values = Values(self.rng)
        self.own = OwnVersions(api, self.values, number)
        self.strikes = Strikes(api, number, self.rng)

    def run(self, until_s: float) -> None:
        steps: dict[Callable[[], object], int] = {
            **self.own.steps,
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
            self.values.steps += 1
            (step,) = self.rng.choices(list(steps), list(steps.values()))
            step()

    # What everybody writes to

    def set_shared(self) -> None:
        name, version = self.shared()
        key, value = self.values.ruled_tag(TOKENS[name])
        self.api.write_version("POST", "set-tag", name=name, version=version, key=key, value=value)

    def drop_shared(self) -> None:
        name, version = self.shared()
        key = self.rng.choice([TOKEN, METRIC, VALUE, "contributor", "contributor_address"])
        self.api.write_version("DELETE", "delete-tag", name=name, version=version, key=key)

    def stage(self) -> None:
        name, version = self.shared()
        if self.rng.random() < 0.5 and (own := self.own.any_own()):
            name, version = own.name, own.version
        stage = self.rng.choice(["Staging", "Production", "Archived", "None"])
        self.api.write_version(
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
            self.api.write_model("POST", "set-tag", name=name, key=TOKEN, value=TOKENS[name])
        else:
            self.api.write_model("DELETE", "delete-tag", name=name, key=TOKEN)

    def rename(self) -> None:
        old, new = self.rng.sample(SWAPPED, 2)
        self.api.write_model("POST", "rename", name=old, new_name=new)

    def churn(self) -> None:
        name, other = self.rng.sample(CHURNED, 2)
        token, version = self.rng.choice(["TOK-A", "TOK-B"]), self.rng.choice("123")
        tags = self.rng.choice([{}, self.values.valid_tags(token)])
        key, value = self.values.ruled_tag(token)
        of_version = {"name": name, "version": version}
        step = self.rng.choice(
            [
                lambda: self.api.write_model("POST", "create", name=name),
                lambda: self.api.write_model(
                    "POST", "create", name=name, tags=tag_list({TOKEN: token})
                ),
                lambda: self.api.write_version(
                    "POST", "create", name=name, source=SOURCE, tags=tag_list(tags)
                ),
                lambda: self.api.write_version(
                    "POST", "create", name=name, source=SOURCE, tags=tag_list(tags)
                ),
                lambda: self.api.write_version(
                    "POST", "set-tag", **of_version, key=key, value=value
                ),
                lambda: self.api.write_version("DELETE", "delete-tag", **of_version, key=key),
                lambda: self.api.write_model("POST", "set-tag", name=name, key=TOKEN, value=token),
                lambda: self.api.write_model("DELETE", "delete-tag", name=name, key=TOKEN),
                lambda: self.api.write_version("DELETE", "delete", **of_version),
                lambda: self.api.write_version(
                    "POST",
                    "transition-stage",
                    **of_version,
                    stage="Staging",
                    archive_existing_versions=True,
                ),
                lambda: self.api.write_model("POST", "rename", name=name, new_name=other),
                lambda: self.api.write_model("DELETE", "delete", name=name),
            ]
        )
        step()

    def other(self) -> None:
        name, version = self.shared()
        if self.rng.random() < 0.5:
            self.api.write_model("POST", "alias", name=name, alias="champion", version=version)
        else:
            self.api.write_version(
                "PATCH", "update", name=name, version=version, description=str(self.values.steps)
            )

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

    def shared(self) -> tuple[str, str]:
        return self.rng.choice(LASTING), self.rng.choice(SHARED_VERSIONS)


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
        for own in client.own.all
    ]
    own += [{"uid": uid, "deleted": [True], "tags": {}} for uid in client.strikes.deleted]
    api = client.api
    found = {"statuses": api.statuses, "faults": api.faults, "outages": api.outages}
    print(json.dumps({**found, "writes": api.writes, "own": own}))


if __name__ == "__main__":
    main()
