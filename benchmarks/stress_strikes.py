"""Moments at which every client writes at once, to the same place, what cannot all be true.

Which scene it is, and where, follows from the number of the strike alone, so that all clients
agree; what each of them does there is its own choice.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from stress_api import SOURCE, Api, tag_list

TOKEN, METRIC, VALUE = "hokusai_token_id", "benchmark_metric", "benchmark_value"
UID = "stress_uid"
ARENA = "arena"
"""A model whose versions are fought over tag by tag."""
ARENA_VERSIONS = ("1", "2", "3", "4")
SCENES = 6
DOOMED = "doomed"
"""A model each of whose versions is deleted and given a stage at once."""
PAYEE = "0x" + 40 * "1"
"""Who is paid for each step of the series that all fight over: so that the totals are, too."""
RUNS = "runs"
"""A model whose tags name the run of each strike."""
RUN_VALUE = 200_000
"""What the run of strike 0 logged; strikes are numbered down, so that values fall."""
LISTS = 12
"""How many models there are to make versions of in one series at once."""


class Strikes:
    """One client's part in the strikes."""

    def __init__(self, api: Api, number: int, rng: random.Random) -> None:
        self.api = api
        self.number = number
        self.rng = rng
        self.deleted: set[str] = set()
        """Marks of the versions whose deletion was acknowledged."""
        self._run_ids: dict[int, str] = {}
        self.scenes: tuple[Callable[[int], None], ...] = (
            self.tags,
            self.contributors,
            self.series,
            self.stages,
            self.model_token,
            self.runs,
        )

    def strike(self, number: int) -> None:
        """Play a part in a strike; they are numbered down to 0."""
        scene = self.scenes[number % SCENES]
        scene(number // SCENES)

    def tags(self, number: int) -> None:
        """The three required tags come and go: some order must explain what is left."""
        version = ARENA_VERSIONS[number % len(ARENA_VERSIONS)]
        for _move in range(3):
            key, value = self.rng.choice([(TOKEN, "ARENA-1"), (METRIC, "accuracy"), (VALUE, "0.5")])
            if self.rng.random() < 0.5:
                self.write("DELETE", "delete-tag", name=ARENA, version=version, key=key)
            else:
                self.write("POST", "set-tag", name=ARENA, version=version, key=key, value=value)

    def contributors(self, number: int) -> None:
        """Two tags that must not contradict each other, and a value and a metric likewise."""
        version = ARENA_VERSIONS[number % len(ARENA_VERSIONS)]
        at = {"name": ARENA, "version": version}
        key, value = self.rng.choice(
            [
                ("contributor", "alice"),
                ("contributor_address", "bob"),
                (METRIC, "accuracy"),
                (METRIC, "rmse"),
                (VALUE, "17"),
                (VALUE, "0.5"),
            ]
        )
        self.write("POST", "set-tag", **at, key=TOKEN, value="ARENA-1")
        self.write("POST", "set-tag", **at, key=key, value=value)
        self.write("DELETE", "delete-tag", **at, key=self.rng.choice(["contributor", key]))

    def series(self, number: int) -> None:
        """Versions of many models, each a DeltaOne above the head that all of them find."""
        tags = {TOKEN: "SERIES-1", METRIC: "rmse", VALUE: str(100_000 + number)}
        tags["contributor_address"] = PAYEE
        name = f"list-{self.number % LISTS}"
        self.write("POST", "create", name=name, source=SOURCE, tags=tag_list(tags))

    def stages(self, number: int) -> None:
        """A version is deleted while others give it a stage: it stays deleted."""
        for version in (2 * number + 1, 2 * number + 2):
            at = {"name": DOOMED, "version": str(version)}
            if self.rng.random() < 0.15:
                if self.write("DELETE", "delete", **at).done:
                    self.deleted.add(doomed_mark(version))
            else:
                archive = {"archive_existing_versions": self.rng.random() < 0.5}
                self.write("POST", "transition-stage", **at, stage="Production", **archive)

    def model_token(self, number: int) -> None:
        """A new model gets a token while versions of it get one."""
        name = f"fresh-{number}"
        token = self.rng.choice(["TOK-A", "TOK-B"])
        self.api.write("POST", "registered-models/create", name=name)
        if self.rng.random() < 0.3:
            body = {"name": name, "key": TOKEN, "value": token}
            self.api.write("POST", "registered-models/set-tag", **body)
        else:
            tags = tag_list({TOKEN: token, METRIC: "accuracy", VALUE: "0.5"})
            self.write("POST", "create", name=name, source=SOURCE, tags=tags)

    def runs(self, number: int) -> None:
        """Each client's own token, a DeltaOne, and one run for all of them: it backs one reward."""
        run_id = self._run_ids.get(number) or self._find_run(number)
        value = str(RUN_VALUE + number)
        tags = {TOKEN: f"RUN-{self.number}", METRIC: "rmse", VALUE: value}
        body = {"name": f"list-{self.number % LISTS}", "run_id": run_id, "source": SOURCE}
        self.write("POST", "create", **body, tags=tag_list(tags))

    def _find_run(self, number: int) -> str:
        reply = self.api.read("/api/2.0/mlflow/registered-models/get", name=RUNS)
        tags = reply.body.get("registered_model", {}).get("tags", [])
        self._run_ids = {int(tag["key"]): tag["value"] for tag in tags}
        return self._run_ids.get(number, "")

    def write(self, method: str, what: str, **body: object):
        return self.api.write(method, f"model-versions/{what}", **body)


def prepare(api: Api, strikes: int) -> None:
    """The models and versions that the strikes are about."""
    for name in (ARENA, DOOMED, RUNS, *(f"list-{number}" for number in range(LISTS))):
        api.write("POST", "registered-models/create", name=name)
    for _version in ARENA_VERSIONS:
        api.write("POST", "model-versions/create", name=ARENA, source=SOURCE)
    _log_runs(api, strikes // SCENES + 1)
    for version in range(1, 2 * (strikes // SCENES + 1) + 1):
        tags = {TOKEN: "DOOM-1", METRIC: "of no direction", VALUE: "1", UID: doomed_mark(version)}
        body = {"name": DOOMED, "source": SOURCE, "tags": tag_list(tags)}
        api.write("POST", "model-versions/create", **body)


def _log_runs(api: Api, count: int) -> None:
    experiment = api.write("POST", "experiments/create", name="runs").body["experiment_id"]
    for number in range(count):
        begun = {"experiment_id": experiment, "start_time": 1}
        run_id = api.write("POST", "runs/create", **begun).body["run"]["info"]["run_id"]
        logged = {"key": "rmse", "value": RUN_VALUE + number, "timestamp": 1, "step": 0}
        api.write("POST", "runs/log-metric", run_id=run_id, **logged)
        api.write("POST", "registered-models/set-tag", name=RUNS, key=str(number), value=run_id)


def doomed_mark(version: int) -> str:
    return f"doomed-{version}"
