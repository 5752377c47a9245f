"""R15: warnings of ``tags/validate`` and ``deltaone/detect``, with what the database knows."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from support.registry import create_model, create_version, set_tag, token_tags
from support.rewards import detect

from hokusai_mlflow_plugin.services.queries.tag_validation import validate_tags
from hokusai_mlflow_plugin.services.visibility import Visible


@pytest.fixture
def stock_store(database_uri):
    """MLflow's own store on the same database."""
    return SqlAlchemyStore(database_uri)


PAYABLE = "0x" + 40 * "a"
NO_VERSION = [("previous_version", "previous_version_unknown")]


def validated(store, tags, **parameters):
    """What ``tags/validate`` answers."""
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    return store.ask(validate_tags, tags=listed, **parameters)


def warned(found):
    """Tag and code of each warning."""
    return [(each["key"], each["code"]) for each in found["warnings"]]


def test_a_previous_version_is_looked_up(store):
    """With the model's name, ``previous_version`` has to name a live version of it (R15)."""
    for _version in range(2):
        create_version(store, "a model", token_tags())
    store.delete_model_version("a model", "2")
    asked = {number: token_tags(contributor=PAYABLE, previous_version=number) for number in "123"}
    found = {n: warned(validated(store, asked[n], name="a model")) for n in asked}
    assert found == {"1": [], "2": NO_VERSION, "3": NO_VERSION}
    assert warned(validated(store, asked["1"], name="no such model")) == NO_VERSION
    assert warned(validated(store, asked["3"])) == []


def test_a_model_that_the_asker_may_not_read(store):
    """Its versions are as ones that are not there."""
    create_version(store, "secret", token_tags())
    tags = token_tags(contributor=PAYABLE, previous_version="1")
    nobody = Visible(lambda _name: False)
    assert warned(validated(store, tags, name="secret", visible=nobody)) == NO_VERSION


def test_the_registered_model(store, stock_store):
    """With a name the answer has that model as MLflow gives it, but for its versions."""
    create_model(store, "tagged", {"note": "a", "empty": ""})
    store.update_registered_model("tagged", "what it is for")
    for name in ("tagged", "plain"):
        create_version(store, name, token_tags())
    store.set_registered_model_alias("tagged", "champion", "1")
    for name in ("tagged", "plain"):
        expected = MessageToDict(
            stock_store.get_registered_model(name).to_proto(), preserving_proto_field_name=True
        )
        found = dict(validated(store, token_tags(), name=name)["registered_model"])
        assert expected.pop("latest_versions")
        for key in ("creation_timestamp", "last_updated_timestamp"):
            assert found.pop(key) == int(expected.pop(key))
        for key in ("tags", "aliases"):
            assert by_text(found.pop(key, [])) == by_text(expected.pop(key, []))
        assert found == expected


def by_text(entries):
    """Tags or aliases in one order."""
    return sorted(entries, key=str)


def test_no_registered_model(store):
    """Null where there is none, or none that the asker may read; nothing where none is asked for"""
    create_version(store, "secret", token_tags())
    nobody = Visible(lambda _name: False)
    for given in ({"name": "no such"}, {"name": "secret", "visible": nobody}):
        assert validated(store, token_tags(), **given)["registered_model"] is None
    assert "registered_model" not in validated(store, token_tags())


def test_warnings_of_a_decision(store):
    """``deltaone/detect`` warns of the version's tags as they are, its own number known."""
    for previous in ("1", "1"):
        create_version(store, tags=token_tags(contributor="alice", previous_version=previous))
    not_payable = ("contributor", "contributor_not_payable")
    assert warned(detect(store, version=1)) == [not_payable, *NO_VERSION]
    assert warned(detect(store, version=2)) == [not_payable]
    set_tag(store, "model", 2, "contributor", PAYABLE)
    assert warned(detect(store, version=2)) == []
