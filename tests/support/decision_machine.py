"""Any sequence of writes and corrections, and what R9, R10 and R19 say to each.

Decisions, payments, locks.

A small model of the rules runs beside the registry, write by write. Besides, what must hold of
every series is checked from the tables alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from mlflow.exceptions import MlflowException

from hokusai_mlflow_plugin.domain.errors import CorrectionRefused, SeriesNotFound
from support.examples import share
from support.index import assert_index_is_truth
from support.registry import METRIC, TOKEN, VALUE, create_version, set_tag
from support.rewards import assert_sound, detect, events, name_payees, rebase, revoke

DIRECTION = "benchmark_direction"
CONTRIBUTOR = "contributor"
SIGNS = {"accuracy": 1, "rmse": -1}
"""The metrics that the catalogue knows; of ``uplift`` only a tag can tell the direction."""

examples = itertools.count()

values = st.integers(0, 40).map(lambda n: str(Decimal(n) / 200))
"""Half points from 0 to 0.2: many repetitions, and many steps of exactly one point."""
metrics = st.sampled_from(["accuracy", "rmse", "uplift"])
directions = st.sampled_from([None, "maximize", "minimize"])
contributors = st.sampled_from([None, "alice", "0x" + 40 * "a"])
tokens = st.sampled_from(["ONE", "TWO"])
names = st.sampled_from(["a", "b", "c"])


@dataclass(eq=False)
class Decided:
    """One decision, by the rules."""

    outcome: str
    value: Decimal
    against: Decided | None = field(default=None, repr=False)
    version: Version | None = field(default=None, repr=False)
    name: str = ""
    """Of the model, when its event was written."""
    is_past: bool = False
    """Whether it was there when the direction became known, or the head fell to it."""
    is_revoked: bool = False
    payees: bool = False
    """Whether somebody can be paid for it."""


@dataclass(eq=False)
class Model:
    """A registered model."""

    name: str
    live: bool = True
    latest: int = 0


@dataclass(eq=False)
class Version:
    """A version, with what it should have been decided as."""

    model: Model
    number: int
    tags: dict[str, str]
    source: tuple[str, int] | None = None
    """Name and number of the version that it was copied from."""
    live: bool = True
    decided: Decided | None = None
    history: list[Decided] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        return self.live and self.model.live

    @property
    def is_tokenised(self) -> bool:
        return {TOKEN, METRIC, VALUE} <= set(self.tags)

    @property
    def series(self) -> tuple[str, str]:
        return self.tags[TOKEN], self.tags[METRIC]

    @property
    def value(self) -> Decimal:
        return Decimal(self.tags[VALUE])


class Rules:
    """R9, R10 and R19 in a few lines."""

    def __init__(self, age: Callable[[Version], int]) -> None:
        self.age = age
        self.versions: list[Version] = []
        self.heads: dict[tuple[str, str], tuple[int, Decided]] = {}
        self.achieved: list[Decided] = []
        self.events: list[tuple[str, str, int, Decimal | None, Decimal | None]] = []
        """Type, name and version, the value before, the value after."""

    def decide(self, version: Version) -> None:
        """Decide on a version as it is now."""
        if version.decided is not None:
            version.history.append(version.decided)
        version.decided = decided = self._decided(version)
        decided.version = version
        if decided.outcome == "achieved":
            decided.payees = version.tags.get(CONTRIBUTOR, "").startswith("0x")
            self.achieved.append(decided)
            decided.name = version.model.name
            self._tell("achieved", decided, decided.against.value, decided.value)

    def _tell(
        self, kind: str, of: Decided, before: Decimal | None = None, after: Decimal | None = None
    ) -> None:
        self.events.append((kind, of.name, of.version.number, before, after))

    def standing(self, series: tuple[str, str]) -> list[Decided]:
        """The DeltaOnes of a series that nobody took back, in their order."""
        return [
            each for each in self.achieved if each.version.series == series and not each.is_revoked
        ]

    def revoke(self, achieved: Decided) -> bool:
        """Take a DeltaOne back; False where that is refused."""
        version = achieved.version
        if self.standing(version.series)[-1:] != [achieved]:
            return False
        achieved.is_revoked = True
        version.history.append(version.decided)
        version.decided = Decided("revoked", achieved.value, achieved.against, version)
        sign, head = self.heads[version.series]
        assert head.value == achieved.value
        self._carry(version.series, sign, achieved.against)
        self._tell("revoked", achieved, achieved.against.value, achieved.value)
        return True

    def rebase(self, series: tuple[str, str]) -> bool:
        """Have a series begin with the best value left; False where that is refused."""
        if series not in self.heads:
            return False
        sign, head = self.heads[series]
        found = self._left(series, sign)
        if found is None or (found.value - head.value) * sign >= 0:
            return False
        self._lower(series, sign, found)
        found.name = found.version.model.name
        self._tell("rebased", found, head.value, found.value)
        return True

    def name_payees(self, achieved: Decided) -> bool:
        """Name payees; False where there are some, or nothing stands."""
        if achieved.payees or achieved.is_revoked:
            return False
        achieved.payees = True
        self._tell("payees_named", achieved)
        return True

    def _left(
        self, series: tuple[str, str], sign: int, without: Version | None = None
    ) -> Decided | None:
        """The decision that would hold the head: of the latest that stands, or the best version."""
        best = self._best(series, sign, without)
        standing = self.standing(series)[-1:]
        if standing and (best is None or (best.value - standing[0].value) * sign <= 0):
            return standing[0]
        return None if best is None else Decided("", best.value, version=best)

    def _lower(self, series: tuple[str, str], sign: int, found: Decided) -> None:
        holder = found.version
        if found in self.achieved or holder.decided.outcome in ("achieved", "copy"):
            self._carry(series, sign, found, is_past=True)
            return
        holder.history.append(holder.decided)
        holder.decided = Decided(
            "baseline", found.value, self.heads[series][1], holder, is_past=True
        )
        self.heads[series] = (sign, holder.decided)

    def _carry(
        self, series: tuple[str, str], sign: int, back_to: Decided, *, is_past: bool = False
    ) -> None:
        """The head goes back, by a decision that is in force on nothing."""
        carried = Decided(
            "baseline", back_to.value, self.heads[series][1], back_to.version, is_past=is_past
        )
        back_to.version.history.append(carried)
        self.heads[series] = (sign, carried)

    def _mend(self, version: Version, sign: int) -> Decided | None:
        """Whoever holds the head with a value that nothing was measured against takes it back."""
        head = self.heads[version.series][1]
        lower = (version.value - head.value) * sign < 0
        if not lower or head.version is not version or any(d.is_past for d in version.history):
            return None
        found = self._left(version.series, sign, version)
        if found is None or (version.value - found.value) * sign > 0:
            return None if self._is_copy(version) else Decided("baseline", version.value, head)
        if (found.value - head.value) * sign < 0:
            self._lower(version.series, sign, found)
        return None

    def _decided(self, version: Version) -> Decided:
        sign = self._sign(version)
        is_copy = self._is_copy(version)
        head = self.heads.get(version.series)
        if sign is None or (head is not None and head[0] != sign):
            return Decided("copy" if is_copy else "direction_unknown", version.value)
        if head is None and not is_copy:
            self._begin_with_past(version, sign)
            head = self.heads.get(version.series)
        mended = None
        if head is not None:
            mended = self._mend(version, sign)
            head = self.heads[version.series]
        if mended is not None:
            decided = mended
        elif is_copy:
            return Decided("copy", version.value)
        elif head is None:
            decided = Decided("baseline", version.value)
        else:
            step = (version.value - head[1].value) * sign
            is_own = head[1].version is version
            better = "baseline" if is_own else "achieved"
            outcome = better if step >= Decimal("0.01") else "below_threshold"
            decided = Decided("regressed" if step < 0 else outcome, version.value, head[1])
        if decided.outcome in ("baseline", "achieved"):
            self.heads[version.series] = (sign, decided)
        return decided

    def _begin_with_past(self, version: Version, sign: int) -> None:
        """The series begins with the best value that its live versions hold, the oldest of these.

        Until now no direction was known. A copy stays one, and yet holds the head.
        """
        best = self._best(version.series, sign, version)
        if best is None:
            return
        decided = Decided("baseline", best.value, version=best, is_past=True)
        if best.decided.outcome == "direction_unknown":
            best.history.append(best.decided)
            best.decided = decided
        else:
            best.history.append(decided)
        self.heads[version.series] = (sign, decided)

    def _best(self, series: tuple[str, str], sign: int, without: Version | None) -> Version | None:
        others = [
            each
            for each in self.versions
            if each is not without and each.is_live and each.is_tokenised
            if each.series == series and each.decided.outcome != "revoked"
        ]
        if not others:
            return None
        return min(
            others,
            key=lambda each: (-each.value * sign, self.age(each), each.model.name, each.number),
        )

    @staticmethod
    def _sign(version: Version) -> int | None:
        declared = {"maximize": 1, "minimize": -1}.get(version.tags.get(DIRECTION, ""))
        return SIGNS.get(version.tags[METRIC], declared)

    def _is_copy(self, version: Version) -> bool:
        """Whether its source is there now, and says the same."""
        return any(
            (each.model.name, each.number) == version.source
            and each.is_live
            and each.is_tokenised
            and (each.series, each.value) == (version.series, version.value)
            for each in self.versions
        )

    def locks(self, version: Version, key: str) -> bool:
        """Whether a reward rests on a tag of a version."""
        taken = (*version.history, version.decided)
        if any(decided in taken for decided in self.achieved):
            return True
        measured = any(
            decided.against in taken for decided in self.achieved if not decided.is_revoked
        )
        return measured and key != CONTRIBUTOR


class RegistryMachine(RuleBasedStateMachine):
    """Writes of every kind, in any order, in two tokens and three models of this run's own."""

    versions = Bundle("versions")

    def __init__(self, store: Any) -> None:
        super().__init__()
        self.store = store
        self.run = next(examples)
        self.rules = Rules(self._age)
        self.models: dict[str, Model] = {}
        self.touched: Version | None = None
        self.before = len(self._events())

    def _age(self, version: Version) -> int:
        found = self.store.get_model_version(version.model.name, str(version.number))
        return found.creation_timestamp

    def _events(self) -> list[dict[str, Any]]:
        after, found = 0, []
        while page := events(self.store, after=after):
            found += page
            after = page[-1]["sequence"]
        return found

    def _model(self, name: str) -> Model:
        full = f"{name}-{self.run}"
        if full not in self.models or not self.models[full].live:
            self.models[full] = Model(full)
        return self.models[full]

    def _added(self, version: Version) -> Version:
        self.rules.versions.append(version)
        self.touched = version
        if version.is_tokenised:
            self.rules.decide(version)
        return version

    def _tags(self, token, metric, value, direction, contributor) -> dict[str, str]:
        if metric in SIGNS:
            direction = None
        tags = {
            TOKEN: f"{token}-{self.run}",
            METRIC: metric,
            VALUE: value,
            DIRECTION: direction,
            CONTRIBUTOR: contributor,
        }
        return {key: value for key, value in tags.items() if value is not None}

    @rule(
        target=versions,
        name=names,
        token=tokens,
        metric=metrics,
        value=values,
        direction=directions,
        contributor=contributors,
    )
    def register(self, name, token, metric, value, direction, contributor):
        """A version that is tokenised at once."""
        tags = self._tags(token, metric, value, direction, contributor)
        model = self._model(name)
        created = create_version(self.store, model.name, tags)
        return self._added(Version(model, int(created.version), tags))

    @rule(target=versions, name=names)
    def register_plain(self, name):
        """A version without any of the tags; they may come later."""
        model = self._model(name)
        created = create_version(self.store, model.name, {})
        return self._added(Version(model, int(created.version), {}))

    @rule(
        version=versions,
        order=st.permutations([TOKEN, METRIC, VALUE]),
        token=tokens,
        metric=metrics,
        value=values,
    )
    def tag_one_by_one(self, version, order, token, metric, value):
        """The required tags, each in a request of its own, in any order."""
        new = self._tags(token, metric, value, None, None)
        for key in order:
            self._set(version, key, new[key])

    @rule(version=versions, value=values)
    def amend_value(self, version, value):
        """Another value."""
        self._set(version, VALUE, value)

    @rule(version=versions, metric=metrics)
    def amend_metric(self, version, metric):
        """Another metric."""
        self._set(version, METRIC, metric)

    @rule(version=versions, token=tokens)
    def amend_token(self, version, token):
        """Another token."""
        self._set(version, TOKEN, f"{token}-{self.run}")

    @rule(version=versions, direction=directions)
    def set_direction(self, version, direction):
        """The direction is declared, or is no longer."""
        if direction is not None:
            self._set(version, DIRECTION, direction)
        else:
            self._delete(version, DIRECTION)

    @rule(version=versions, contributor=contributors)
    def set_contributor(self, version, contributor):
        """Another contributor, or none."""
        if contributor is not None:
            self._set(version, CONTRIBUTOR, contributor)
        else:
            self._delete(version, CONTRIBUTOR)

    @rule(target=versions, version=versions, name=names)
    def copy(self, version, name):
        """MLflow's own copy of a version into a model."""
        if not version.is_live or (version.tags.get(TOKEN) and not version.is_tokenised):
            return version
        entity = self.store.get_model_version(version.model.name, str(version.number))
        model = self._model(name)
        copied = self.store.copy_model_version(entity, model.name)
        new = Version(model, int(copied.version), dict(version.tags))
        new.source = version.model.name, version.number
        return self._added(new)

    @rule(version=consumes(versions))
    def delete_version(self, version):
        """A version goes."""
        if version.is_live:
            self.store.delete_model_version(version.model.name, str(version.number))
            version.live = False

    @rule(name=names)
    def delete_model(self, name):
        """A model goes with all its versions; the next registration makes it anew."""
        model = self.models.get(f"{name}-{self.run}")
        if model is not None and model.live:
            self.store.delete_registered_model(model.name)
            model.live = False

    @precondition(lambda self: any(model.live for model in self.models.values()))
    @rule(data=st.data())
    def rename_model(self, data):
        """A model gets a name that nothing had before."""
        live = sorted(name for name, model in self.models.items() if model.live)
        model = self.models.pop(data.draw(st.sampled_from(live)))
        new_name = f"{model.name}'"
        while new_name in self.models:
            new_name += "'"
        self.store.rename_registered_model(model.name, new_name)
        model.name = new_name
        self.models[new_name] = model

    @precondition(lambda self: self.rules.achieved)
    @rule(data=st.data())
    def revoke(self, data):
        """An administrator takes a DeltaOne back; only the latest that stands can be."""
        achieved = data.draw(st.sampled_from(self.rules.achieved))
        self._correct(
            self.rules.revoke(achieved),
            lambda: revoke(self.store, self._event_id(achieved), "a mistake"),
        )
        self.touched = achieved.version

    @rule(token=tokens, metric=metrics)
    def rebase(self, token, metric):
        """An administrator has a series begin anew with what is left."""
        series = f"{token}-{self.run}", metric
        self._correct(self.rules.rebase(series), lambda: rebase(self.store, *series, "a mistake"))

    @rule(name=names, token=tokens, value=values, other=values)
    def a_typo_as_baseline(self, name, token, value, other):
        """A series begins with what nobody can beat; that version goes, then it is rebased."""
        typed = self.register(name, token, "accuracy", "0.999", None, None)
        for each in (value, other):
            self.register(name, token, "accuracy", each, None, None)
        self.delete_version(typed)
        self.rebase(token, "accuracy")

    @precondition(lambda self: self.rules.heads)
    @rule(data=st.data())
    def rebase_without_its_head(self, data):
        """The version that holds a head goes, then the series begins anew."""
        series = data.draw(st.sampled_from(sorted(self.rules.heads)))
        self.delete_version(self.rules.heads[series][1].version)
        self.rebase(series[0].split("-")[0], series[1])

    @precondition(lambda self: self.rules.achieved)
    @rule(data=st.data())
    def name_payees(self, data):
        """An administrator names who is paid for what nobody could be paid for."""
        achieved = data.draw(st.sampled_from(self.rules.achieved))
        shares = f'[{{"address": "0x{40 * "b"}", "weight": 10000}}]'
        self._correct(
            self.rules.name_payees(achieved),
            lambda: name_payees(self.store, self._event_id(achieved), shares, "a mistake"),
        )

    def _event_id(self, achieved: Decided) -> str:
        told = [event for event in self._events() if event["sequence"] > self.before]
        earned = [event for event in told if event["type"].endswith(".achieved")]
        return earned[self.rules.achieved.index(achieved)]["id"]

    def _correct(self, is_allowed: bool, correct: Callable[[], Any]) -> None:
        try:
            correct()
        except (CorrectionRefused, SeriesNotFound):
            assert not is_allowed
            return
        assert is_allowed

    def _set(self, version: Version, key: str, value: str) -> None:
        if not version.is_live or version.tags.get(key) == value:
            return
        new = {**version.tags, key: value}
        self._write(
            version,
            key,
            new,
            lambda: set_tag(self.store, version.model.name, version.number, key, value),
        )

    def _delete(self, version: Version, key: str) -> None:
        if not version.is_live or key not in version.tags:
            return
        new = {each: value for each, value in version.tags.items() if each != key}
        delete = self.store.delete_model_version_tag
        self._write(version, key, new, lambda: delete(version.model.name, str(version.number), key))

    def _write(self, version: Version, key: str, new: dict[str, str], write: Any) -> None:
        """Do a write that the rules allow, or see it refused as they say."""
        self.touched = version
        error = self._refusal(version, key, new)
        try:
            write()
        except MlflowException as refusal:
            assert refusal.error_code == error  # noqa: PT017  # which writes fail is what is compared
            return
        assert error is None
        old_series = version.series if version.is_tokenised else None
        old_value = version.value if version.is_tokenised else None
        version.tags = new
        if not version.is_tokenised or key == CONTRIBUTOR:
            return
        if key == DIRECTION or (version.series, version.value) != (old_series, old_value):
            self.rules.decide(version)

    def _refusal(self, version: Version, key: str, new: dict[str, str]) -> str | None:
        if version.is_tokenised and self.rules.locks(version, key):
            return "RESOURCE_CONFLICT"
        if TOKEN not in new:
            return None
        sign = SIGNS.get(new.get(METRIC, ""))
        declared = new.get(DIRECTION)
        contradicts = sign is not None and declared is not None
        if contradicts and declared != {1: "maximize", -1: "minimize"}[sign]:
            return "INVALID_PARAMETER_VALUE"
        return None

    @invariant()
    def the_decision_is_that_of_the_rules(self):
        """The version that was written carries the decision of the rules, and its history."""
        if self.touched is not None:
            self._compare(self.touched)

    def _compare(self, version: Version) -> None:
        if not version.is_live or version.decided is None:
            return
        found = detect(self.store, version.model.name, version.number)
        assert found["decision"]["outcome"] == version.decided.outcome
        assert Decimal(found["decision"]["value"]) == version.decided.value
        against = found["decision"]["baseline"]
        assert (against is None) == (version.decided.against is None)
        if against is not None:
            assert Decimal(against["value"]) == version.decided.against.value
        past = sorted((each["outcome"], Decimal(each["value"])) for each in found["history"])
        assert past == sorted((each.outcome, each.value) for each in version.history)

    @invariant()
    def events_are_those_of_the_rules(self):
        """What was paid and corrected is what the rules say, in the order in which it was."""
        assert [_told(each) for each in events(self.store, after=self.before)] == self.rules.events

    def teardown(self):
        """At the end every version, and from the tables alone: heads, sums, chain, index."""
        for version in self.rules.versions:
            self._compare(version)
        assert_sound(self.store)
        assert_index_is_truth(self.store)


def _told(event: dict[str, Any]) -> tuple[str, str, int, Decimal | None, Decimal | None]:
    data = event["data"]
    kind = event["type"].split(".")[-1]
    value = Decimal(data["value"]) if "value" in data else None
    before = data.get("baseline", data.get("previous", {})).get("value", value)
    return kind, data["name"], int(data["version"]), before and Decimal(before), value


def run_any_writes(store: Any, sequences: int, writes: int) -> None:
    """Run sequences of writes, each of at most so many; a failure is shown in its shortest form."""
    run_state_machine_as_test(
        lambda: RegistryMachine(store),
        settings=settings(
            max_examples=share(sequences),
            stateful_step_count=writes,
            deadline=None,  # databases take their time
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
