"""Random writes: each is accepted or refused as the rules say, and the index is the truth."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from integration.rules_model import (
    VALUES,
    Model,
    accepts_creation,
    accepts_model_token,
    accepts_tag,
    is_tokenised,
)
from mlflow.exceptions import MlflowException
from sqlalchemy import inspect, text
from support.index import assert_index_is_truth, indexed_versions
from support.registry import TOKEN, create_model, create_version, set_model_tag, set_tag

EXAMPLES = {"sqlite": 100, "postgresql": 20, "mysql": 20}
STEPS = 25

names = st.sampled_from(["one", "two", "it's three"])
numbers = st.integers(1, 4)
keys = st.sampled_from(sorted(VALUES))
single_tags = keys.flatmap(lambda key: st.tuples(st.just(key), st.sampled_from(VALUES[key])))
tag_sets = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(values) for key, values in VALUES.items()}
)
tokens = st.sampled_from(VALUES[TOKEN])


class Registry(RuleBasedStateMachine):
    """The store, and beside it what the rules say that it holds."""

    def __init__(self, store: Any) -> None:
        super().__init__()
        self.store = store
        self.models: dict[str, Model] = {}
        _empty(store)

    def _does(self, accepted: bool, write: Any, *args: Any) -> bool:
        """Do a write that must be accepted, or refused as a wrong request."""
        try:
            write(self.store, *args)
        except MlflowException as error:
            assert not accepted, error.message
            assert "fault" in error.message or "tag" in error.message
            return False
        assert accepted, f"{write} {args} was not refused"
        return True

    def _version(self, name: str, number: int) -> dict[str, str] | None:
        return self.models[name].versions.get(number) if name in self.models else None

    @rule(name=names, tags=tag_sets)
    def create_version(self, name, tags):
        self._create(name, tags, lambda store: create_version(store, name, tags))

    def _create(self, name, tags, write):
        model = self.models.setdefault(name, Model())
        create_model(self.store, name)
        if self._does(accepts_creation(tags, model.token), write):
            model.last += 1
            model.versions[model.last] = dict(tags)

    @rule(name=names, number=numbers, tag=single_tags)
    def set_tag(self, name, number, tag):
        before = self._version(name, number)
        if before is not None:
            after = {**before, tag[0]: tag[1]}
            accepted = accepts_tag(before, after, tag[0], self.models[name].token)
            if self._does(accepted, set_tag, name, number, *tag):
                self.models[name].versions[number] = after

    @rule(name=names, number=numbers, key=keys)
    def delete_tag(self, name, number, key):
        before = self._version(name, number)
        if before is not None:
            after = {k: v for k, v in before.items() if k != key}
            accepted = accepts_tag(before, after, key, self.models[name].token)
            delete = type(self.store).delete_model_version_tag
            if self._does(accepted, delete, name, str(number), key):
                self.models[name].versions[number] = after

    @rule(name=names, token=tokens)
    def set_model_token(self, name, token):
        model = self.models.get(name)
        if model and self._does(
            token == model.token or accepts_model_token(token, model),
            set_model_tag,
            name,
            TOKEN,
            token,
        ):
            model.token = token

    @rule(name=names)
    def delete_model_token(self, name):
        if name in self.models:
            self.store.delete_registered_model_tag(name, TOKEN)
            self.models[name].token = None

    @rule(name=names, number=numbers, target_name=names)
    def copy_version(self, name, number, target_name):
        tags = self._version(name, number)
        if tags is not None:
            source = self.store.get_model_version(name, str(number))
            assert dict(source.tags) == tags
            self._create(
                target_name, tags, lambda store: store.copy_model_version(source, target_name)
            )

    @rule(name=names, new_name=names)
    def rename(self, name, new_name):
        if name in self.models and new_name not in self.models:
            self.store.rename_registered_model(name, new_name)
            self.models[new_name] = self.models.pop(name)

    @rule(name=names, number=numbers)
    def delete_version(self, name, number):
        if self._version(name, number) is not None:
            self.store.delete_model_version(name, str(number))
            del self.models[name].versions[number]

    @rule(name=names)
    def delete_model(self, name):
        if self.models.pop(name, None):
            self.store.delete_registered_model(name)

    @rule(name=names, number=numbers, stage=st.sampled_from(["Staging", "Production"]))
    def change_stage(self, name, number, stage):
        if self._version(name, number) is not None:
            self.store.transition_model_version_stage(name, number, stage, True)

    def teardown(self):
        expected = [
            (name, number, tags[TOKEN])
            for name, model in self.models.items()
            for number, tags in model.versions.items()
            if is_tokenised(tags, model.token)
        ]
        assert indexed_versions(self.store) == sorted(expected)
        assert_index_is_truth(self.store)


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
            max_examples=EXAMPLES[store.engine.dialect.name],
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
