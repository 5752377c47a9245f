"""Random writes: each is accepted or refused as the rules say, and the index is the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from integration.rules_model import (
    GOOD,
    REQUIRED,
    VALUES,
    Model,
    Tags,
    accepts_creation,
    accepts_model_token,
    accepts_tag,
    is_tokenised,
)
from mlflow.exceptions import MlflowException
from sqlalchemy import inspect, text
from support.examples import share
from support.index import assert_index_is_truth, indexed_versions
from support.registry import TOKEN, create_model, create_version, set_model_tag, set_tag

EXAMPLES = {"sqlite": 100, "postgresql": 15, "mysql": 15}
STEPS = 25
NAMES = ["one", "two", "it's three"]


def tag_sets(values: dict[str, list[str]], required: set[str]) -> st.SearchStrategy[Tags]:
    choices = {key: st.sampled_from(values[key]) for key in values}
    always = {key: choices.pop(key) for key in sorted(required)}
    return st.fixed_dictionaries(always, optional=choices)


names = st.sampled_from(NAMES)
keys = st.sampled_from(sorted(VALUES))
tags = keys.flatmap(lambda key: st.tuples(st.just(key), st.sampled_from(VALUES[key])))
any_tags = tag_sets(VALUES, set())
complete_tags = tag_sets(GOOD, REQUIRED)
some_model = precondition(lambda machine: machine.models)
some_version = precondition(lambda machine: machine.versions())


class Registry(RuleBasedStateMachine):
    """The store, and beside it what the rules say that it holds."""

    def __init__(self, store: Any) -> None:
        super().__init__()
        self.store = store
        self.models: dict[str, Model] = {}
        _empty(store)

    def versions(self) -> list[tuple[str, int]]:
        """Every live version."""
        return [(name, number) for name in sorted(self.models) for number in self._numbers(name)]

    def _numbers(self, name: str) -> list[int]:
        return sorted(self.models[name].versions)

    def _draw_model(self, data: Any) -> str:
        return str(data.draw(st.sampled_from(sorted(self.models)), "model"))

    def _draw_version(self, data: Any) -> tuple[str, int]:
        name, number = data.draw(st.sampled_from(self.versions()), "version")
        return name, number

    def _create(self, name: str, tags: Tags, write: Callable[[], object]) -> None:
        model = self.models.setdefault(name, Model())
        create_model(self.store, name)
        if _outcome(write, accepts_creation(tags, model.token)):
            model.last += 1
            model.versions[model.last] = dict(tags)

    def _retag(self, name: str, number: int, key: str, after: Tags, write: Any) -> None:
        model = self.models[name]
        if _outcome(write, accepts_tag(model.versions[number], after, key, model.token)):
            model.versions[number] = after

    @initialize(name=names, tags=complete_tags)
    def begin(self, name: str, tags: Tags) -> None:
        self.create_version(name, tags)

    @initialize(name=names, token=st.sampled_from(GOOD[TOKEN]))
    def begin_pending(self, name: str, token: str) -> None:
        self.create_version(name, {})
        pending = self.models[name].last
        write = partial(set_tag, self.store, name, pending, TOKEN, token)
        self._retag(name, pending, TOKEN, {TOKEN: token}, write)

    @rule(name=names, tags=any_tags | complete_tags)
    def create_version(self, name: str, tags: Tags) -> None:
        self._create(name, tags, lambda: create_version(self.store, name, tags))

    @some_version
    @rule(data=st.data(), tag=tags)
    def set_tag(self, data: Any, tag: tuple[str, str]) -> None:
        name, number = self._draw_version(data)
        after = self.models[name].versions[number] | dict([tag])
        self._retag(name, number, tag[0], after, lambda: set_tag(self.store, name, number, *tag))

    @some_version
    @rule(data=st.data(), key=keys)
    def delete_tag(self, data: Any, key: str) -> None:
        name, number = self._draw_version(data)
        after = {k: v for k, v in self.models[name].versions[number].items() if k != key}
        delete = self.store.delete_model_version_tag
        self._retag(name, number, key, after, lambda: delete(name, str(number), key))

    @some_model
    @rule(data=st.data(), token=st.sampled_from(VALUES[TOKEN]))
    def set_model_token(self, data: Any, token: str) -> None:
        name = self._draw_model(data)
        model = self.models[name]
        accepted = token == model.token or accepts_model_token(token, model)
        if _outcome(lambda: set_model_tag(self.store, name, TOKEN, token), accepted):
            model.token = token

    @some_model
    @rule(data=st.data())
    def delete_model_token(self, data: Any) -> None:
        name = self._draw_model(data)
        self.store.delete_registered_model_tag(name, TOKEN)
        self.models[name].token = None

    @some_version
    @rule(data=st.data(), new_name=names)
    def copy_version(self, data: Any, new_name: str) -> None:
        name, number = self._draw_version(data)
        source = self.store.get_model_version(name, str(number))
        assert dict(source.tags) == self.models[name].versions[number]
        copy = self.store.copy_model_version
        self._create(new_name, dict(source.tags), lambda: copy(source, new_name))

    @some_model
    @rule(data=st.data(), new_name=names)
    def rename(self, data: Any, new_name: str) -> None:
        name = self._draw_model(data)
        if new_name not in self.models:
            self.store.rename_registered_model(name, new_name)
            self.models[new_name] = self.models.pop(name)

    @some_version
    @rule(data=st.data())
    def delete_version(self, data: Any) -> None:
        name, number = self._draw_version(data)
        self.store.delete_model_version(name, str(number))
        del self.models[name].versions[number]

    @some_model
    @rule(data=st.data())
    def delete_model(self, data: Any) -> None:
        name = self._draw_model(data)
        self.store.delete_registered_model(name)
        del self.models[name]

    @some_version
    @rule(data=st.data(), stage=st.sampled_from(["Staging", "Production"]))
    def change_stage(self, data: Any, stage: str) -> None:
        name, number = self._draw_version(data)
        self.store.transition_model_version_stage(name, str(number), stage, True)

    def teardown(self) -> None:
        expected = [
            (name, number, model.versions[number][TOKEN])
            for name, model in self.models.items()
            for number in model.versions
            if is_tokenised(model.versions[number], model.token)
        ]
        assert indexed_versions(self.store) == sorted(expected)
        assert_index_is_truth(self.store)


def _outcome(write: Callable[[], object], accepted: bool) -> bool:
    """Do a write that must succeed, or be refused as a wrong request; whether it was done."""
    if accepted:
        write()
        return True
    with pytest.raises(MlflowException) as caught:
        write()
    # MLflow's copy hides the refusal behind an error of its own.
    refusal = caught.value.__cause__ if "version copy" in caught.value.message else caught.value
    assert isinstance(refusal, ValueError)
    return False


def _empty(store: Any) -> None:
    """Delete every registered model and all that the plugin knows of them."""
    registry = ["registered_model_aliases", "registered_model_tags", "model_version_tags"]
    with store.engine.begin() as connection:
        tables = inspect(connection).get_table_names()
        ours = [table for table in tables if table.startswith("hokusai_")]
        for table in (*ours, *registry, "model_versions", "registered_models"):
            connection.execute(text(f"DELETE FROM {table}"))


@pytest.mark.timeout(900)
def test_random_writes(store):
    """Whatever clients do in whatever order, rules and index hold after each write."""
    run_state_machine_as_test(
        lambda: Registry(store),
        settings=settings(
            max_examples=share(EXAMPLES[store.engine.dialect.name]),
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
