"""R18: tokens have owners; what they refuse is refused on every path that leaves a token behind."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import WorkspaceContext
from support.index import assert_index_is_truth, indexed_versions
from support.refusals import refused
from support.registry import (
    METRIC,
    TOKEN,
    VALUE,
    create_model,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)
from support.requests import As
from support.rewards import assert_sound, paid
from support.statements import statements

from hokusai_mlflow_plugin.domain.ownership import OWNERSHIP_CODES, Ownership, Use, check_ownership

A, B = WorkspaceContext("team-a"), WorkspaceContext("team-b")


@pytest.fixture
def registry(store_factory):
    """A store that takes declared tokens alone."""
    return store_factory(HOKUSAI_TOKENS="declared")


@pytest.fixture
def teams(store_factory, monkeypatch):
    """A store with workspaces, whose tokens need no declaration."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    return store_factory()


def declare(store, token_id="IMG-001", metrics=("accuracy",), **others):
    """Declare a token, as its route does it."""
    answer = store.answer("tokens/declare", token_id=token_id, metrics=list(metrics), **others)
    return answer["declaration"]


def test_undeclared(registry):
    """No path takes a token that is not declared, and nothing of the write stays."""
    create_model(registry)
    create_version(registry, "plain", tags={})
    with refused(registry, "Token IMG-001 is not declared"):
        create_version(registry)
    with refused(registry, "is not declared"):
        set_tag(registry, "plain", 1, TOKEN, "IMG-001")
    with refused(registry, "is not declared"):
        set_model_tag(registry, "model", TOKEN, "IMG-001")
    with refused(registry, "is not declared"):
        create_model(registry, "other", tags={TOKEN: "IMG-001"})


def test_declared(registry):
    """A declared token is taken for the metrics that it is declared for, by whichever name."""
    found = declare(registry, metrics=["f1", "accuracy"], ceiling_pp="5.0")
    assert (found["metrics"], found["ceiling_pp"]) == (["accuracy", "f1_score"], "5")
    assert (found["publishers"], found["is_enforced"]) == ([], True)
    create_version(registry, tags=token_tags(**{METRIC: "accuracy_score"}))
    create_version(registry, tags=token_tags(**{METRIC: "f1"}))
    with refused(registry, "does not pay for metric 'precision'; it is declared for accuracy, f1_"):
        create_version(registry, tags=token_tags(**{METRIC: "precision"}))
    with refused(registry, "does not pay for metric 'precision'"):
        set_tag(registry, "model", 1, METRIC, "precision")
    assert_index_is_truth(registry)


def test_one_tag_at_a_time(registry):
    """Each tag that leaves the token on a version is judged, and the faults are told together."""
    declare(registry)
    create_version(registry, tags={})
    set_tag(registry, "model", 1, TOKEN, "IMG-001")
    with refused(registry, "does not pay for metric 'f1_score'"):
        set_tag(registry, "model", 1, METRIC, "f1_score")
    set_tag(registry, "model", 1, METRIC, "accuracy")
    with refused(registry, "2 faults"):
        create_version(registry, tags=token_tags(**{VALUE: "nan", METRIC: "f1_score"}))
    set_tag(registry, "model", 1, VALUE, "0.8")
    assert len(indexed_versions(registry)) == 1


def test_closed(registry):
    """Nobody puts a closed token on a version, nor amends one; what was paid stays."""
    declare(registry)
    for value in ("0.5", "0.6"):
        create_version(registry, tags=token_tags(**{VALUE: value}))
    create_version(registry, tags=token_tags(**{VALUE: "0.601"}))
    registry.answer("tokens/close", token_id="IMG-001")
    for write in (
        lambda: create_version(registry, tags=token_tags(**{VALUE: "0.9"})),
        lambda: set_tag(registry, "model", 3, VALUE, "0.9"),
    ):
        with refused(registry, "IMG-001 is closed"):
            write()
    set_tag(registry, "model", 3, "note", "an ordinary tag")
    registry.delete_model_version("model", "3")
    assert paid(registry) == [("model", "2", "10")]
    declare(registry)
    create_version(registry, tags=token_tags(**{VALUE: "0.9"}))
    assert_sound(registry)


def test_publishers(registry):
    """A user puts a token on versions only where it was granted to him: else 403."""
    declare(registry, publishers=["alice"])
    with As("alice"):
        create_version(registry)
        create_version(registry, tags={})
    with As("mallory"):
        for write in (
            lambda: create_version(registry, tags=token_tags(**{VALUE: "0.99"})),
            lambda: create_version(registry, "own model of mallory"),
            lambda: set_tag(registry, "model", 1, VALUE, "0.99"),
            lambda: set_tag(registry, "model", 1, "contributor", "mallory"),
            lambda: set_tag(registry, "model", 2, TOKEN, "IMG-001"),
            lambda: set_model_tag(registry, "model", TOKEN, "IMG-001"),
        ):
            with pytest.raises(MlflowException, match="'mallory' may not put") as caught:
                write()
            assert caught.value.get_http_status_code() == 403
            assert isinstance(caught.value, ValueError)
        with pytest.raises(MlflowException, match="'mallory' may not put"):
            registry.copy_model_version(registry.get_model_version("model", "1"), "copy")
        set_tag(registry, "model", 1, "note", "an ordinary tag")
        create_version(registry, "plain", tags={METRIC: "accuracy"})
    registry.answer("tokens/grant", token_id="IMG-001", publishers=["mallory", "bob"])
    with As("mallory"):
        create_version(registry, tags=token_tags(**{VALUE: "0.9"}))
    registry.answer("tokens/revoke", token_id="IMG-001", publishers=["mallory"])
    with As("mallory"), pytest.raises(MlflowException, match="may not put"):
        create_version(registry, tags=token_tags(**{VALUE: "0.99"}))
    create_version(registry, tags=token_tags(**{VALUE: "0.95"}))  # in process, without a user
    assert registry.answer("tokens/publishers", token_id="IMG-001")["declaration"][
        "publishers"
    ] == ["alice", "bob"]
    assert_sound(registry)


def test_wrong_tags_come_before_a_wrong_user(registry):
    """Who is told 403 has no other fault to mend; with one, all are told at once, as 400."""
    declare(registry, publishers=[])
    create_model(registry)
    with As("mallory"), refused(registry, "2 faults", "must be numeric", "may not put"):
        create_version(registry, tags=token_tags(**{VALUE: "nan"}))


def test_audit(store_factory):
    """The audit policy lets pass what owners refuse, keeps it out of the index, and says so."""
    store = store_factory(HOKUSAI_TOKENS="declared", HOKUSAI_POLICY="audit")
    create_version(store)
    declare(store, publishers=["alice"])
    with As("mallory"):
        create_version(store)
    codes = [each["codes"] for each in store.answer("policy/list")["findings"]]
    assert codes == [["token_undeclared"], ["token_publisher"]]
    assert indexed_versions(store) == []


def test_one_workspace(teams):
    """The first workspace that uses a token has it; elsewhere no path takes it."""
    with A:
        create_version(teams)
        create_model(teams, "owner", tags={TOKEN: "OWN-001"})
    with B:
        create_version(teams, "plain", tags={})
        create_model(teams)
        for write in (
            lambda: create_version(teams),
            lambda: create_version(teams, tags=token_tags(**{TOKEN: "OWN-001"})),
            lambda: set_tag(teams, "plain", 1, TOKEN, "IMG-001"),
            lambda: set_model_tag(teams, "model", TOKEN, "IMG-001"),
        ):
            with refused(teams, "belongs to another workspace"):
                write()
        with pytest.raises(MlflowException) as caught:
            create_version(teams)
        assert "team-a" not in caught.value.message


def test_a_refused_use_claims_nothing(teams):
    """A token that was refused belongs to nobody yet."""
    with A:
        create_model(teams)
    with A, refused(teams, "must be numeric"):
        create_version(teams, tags=token_tags(**{VALUE: "nan"}))
    with B:
        create_version(teams)


def test_a_declaration_claims(teams):
    """The first workspace that declares a token has it as well."""
    with A:
        declare(teams)
    with B:
        create_model(teams)
        with refused(teams, "belongs to another workspace"):
            create_version(teams)
        with pytest.raises(MlflowException, match="belongs to another workspace"):
            declare(teams)
        assert declare(teams, reassign=True)["is_enforced"] is False
        create_version(teams)
    with A:
        create_model(teams)
        with refused(teams, "belongs to another workspace"):
            create_version(teams)
        with pytest.raises(MlflowException) as caught:
            teams.answer("tokens/publishers", token_id="IMG-001")
        assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def foretold(store, **others):
    """What ``tags/validate`` says of a registration, which is what one is then refused for."""
    tags = token_tags(**others)
    answer = store.answer(
        "tags/validate", tags=[{"key": key, "value": value} for key, value in tags.items()]
    )
    found = answer["violations"]
    if found:
        with pytest.raises(MlflowException) as caught:
            create_version(store, "foretold", tags=tags)
        assert all(each["message"] in str(caught.value) for each in found)
    else:
        create_version(store, "foretold", tags=tags)
    return [each["code"] for each in found]


def test_validation_says_what_a_write_would(registry):
    """Whoever asks first is told of every fault that a write of his would have, and of no other."""
    assert foretold(registry) == ["token_undeclared"]
    declare(registry, publishers=["alice"])
    assert foretold(registry) == []
    with As("alice"):
        assert foretold(registry) == []
        faults = foretold(registry, **{METRIC: "f1", VALUE: "nan"})
        assert faults == ["benchmark_value_invalid", "token_metric_undeclared"]
    with As("mallory"):
        assert foretold(registry) == ["token_publisher"]
    registry.answer("tokens/close", token_id="IMG-001")
    assert foretold(registry) == ["token_closed"]


def test_validation_of_tokens_of_others(teams):
    """That a token is another workspace's is told as by a write, which workspace it is never; also
    of a token that was used before uses were claimed.
    """
    with A:
        assert foretold(teams) == []
    for _claimed in (True, False):
        with B:
            assert foretold(teams) == ["token_elsewhere"]
        forget_claims(teams)
    with A:
        assert foretold(teams) == []


def test_assigned_without_its_publishers(teams):
    """Who was trusted with a token in one workspace is not by that trusted in the next."""
    with A:
        declare(teams, publishers=["alice"])
        assert declare(teams)["publishers"] == ["alice"]
    with B:
        assert declare(teams, reassign=True)["publishers"] == []
        declare(teams, publishers=["bob"])
    with A:
        assert declare(teams, reassign=True, publishers=["carol"])["publishers"] == ["carol"]


def test_other_spellings_of_publishers(registry):
    """A user whose name is a publisher's but for blanks or case is another one, on any database."""
    declare(registry, publishers=["alice"])
    for other in ("alice ", "Alice", "\u00e1lice"):
        with As(other), pytest.raises(MlflowException, match="may not put"):
            create_version(registry)
    with As("alice"):
        create_version(registry)


def test_tokens_from_before(teams, store_factory, monkeypatch):
    """A token of two workspaces belongs to the one where its series began first; 'check' says so.

    The other keeps its versions, and earns nothing more until the token is assigned to it.
    """
    with B:
        create_version(teams, tags=token_tags(**{VALUE: "0.5"}))
    forget_claims(teams)
    monkeypatch.setattr(
        "hokusai_mlflow_plugin.db.tokens.token_owners.first_workspace", lambda *_: None
    )
    with A:
        create_version(teams, tags=token_tags(**{VALUE: "0.6"}))
    monkeypatch.undo()
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    forget_claims(teams)
    checked = [
        {
            "token_id": "IMG-001",
            "owner": "team-b",
            "workspaces": ["team-a", "team-b"],
            "is_declared": False,
        }
    ]
    with A:
        assert teams.answer("tokens/check")["tokens"] == checked
        for write in (
            lambda: create_version(teams, tags=token_tags(**{VALUE: "0.9"})),
            lambda: set_tag(teams, "model", 1, VALUE, "0.9"),
        ):
            with refused(teams, "belongs to another workspace"):
                write()
    with B:
        create_version(teams, tags=token_tags(**{VALUE: "0.8"}))
        assert teams.answer("tokens/check")["tokens"] == checked
    with A:
        declare(teams, reassign=True)
        for value in ("0.9", "0.95"):  # the first is paid already, up to the 0.8 of team-b
            create_version(teams, tags=token_tags(**{VALUE: value}))
        assert paid(teams) == [("model", "3", "5")]
    assert_index_is_truth(teams)
    assert_sound(teams)


def forget_claims(store):
    """As a release before left it, which knew no owners."""
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM hokusai_tokens")


def test_check_lists_what_declaring_would_refuse(store):
    """Before declarations are asked for, an administrator sees which tokens lack one; in pages."""
    for number in range(3):
        create_version(store, tags=token_tags(**{TOKEN: f"TOK-{number}"}))
    declare(store, "TOK-1")
    assert store.answer("tokens/check")["tokens"] == []
    first = store.answer("tokens/check", undeclared=True, max_results=1)
    rest = store.answer("tokens/check", undeclared=True, page_token=first["next_page_token"])
    assert [each["token_id"] for each in first["tokens"] + rest["tokens"]] == ["TOK-0", "TOK-2"]
    assert "next_page_token" not in rest


BAD = {
    "no metric": {"metrics": []},
    "no metric's name": {"metrics": [" accuracy"]},
    "a look-alike": {"metrics": ["Accuracy"]},
    "no token id": {"token_id": "img_001"},
    "a ceiling of nothing": {"ceiling_pp": "0"},
    "no number": {"ceiling_pp": "five"},
    "an empty name": {"publishers": [""]},
    "a name with a line end": {"publishers": ["al\nice"]},
    "a name with a blank": {"publishers": ["alice "]},
    "a name that is too long": {"publishers": ["a" * 256]},
    "too many": {"publishers": [str(number) for number in range(1001)]},
}


@pytest.mark.parametrize("given", BAD.values(), ids=BAD)
def test_bad_declarations(store, given):
    """What cannot be used is refused, and declares nothing."""
    with pytest.raises(MlflowException) as caught:
        declare(store, **given)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException) as caught:
        store.answer("tokens/publishers", token_id="IMG-001")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize("route", ["grant", "revoke", "close", "publishers"])
def test_what_is_not_declared_cannot_be_changed(store, route):
    """The answer is 404, with the command that declares it."""
    given = {"publishers": ["alice"]} if route in ("grant", "revoke") else {}
    with pytest.raises(MlflowException, match="token declare IMG-001") as caught:
        store.answer(f"tokens/{route}", token_id="IMG-001", **given)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_revoking_nobody(store):
    """A name that is no publisher's is refused: whoever was meant would go on publishing."""
    declare(store, publishers=["alice", "bob"])
    with pytest.raises(MlflowException, match="No publisher of token IMG-001: 'Alice'"):
        store.answer("tokens/revoke", token_id="IMG-001", publishers=["bob", "Alice"])
    kept = store.answer("tokens/publishers", token_id="IMG-001")["declaration"]["publishers"]
    assert kept == ["alice", "bob"]


def test_a_new_declaration_replaces_the_last(store):
    """Metrics and ceiling are those of the last one; publishers stay where none are named."""
    declare(store, publishers=["alice", "bob"], ceiling_pp="5")
    again = declare(store, metrics=["f1_score"])
    assert (again["metrics"], again["ceiling_pp"]) == (["f1_score"], None)
    assert again["publishers"] == ["alice", "bob"]
    assert declare(store, publishers=["bob", "carol"])["publishers"] == ["bob", "carol"]
    assert declare(store, publishers=[])["publishers"] == []


def test_declared_costs_no_statement_more(store_factory):
    """A tokenised write under declared tokens, by a user, sends what it sends without."""
    counts = []
    for policy in ("warming", "open", "declared"):
        rule = "declared" if policy == "declared" else "open"
        store, token_id = store_factory(HOKUSAI_TOKENS=rule), f"TOK-{policy.upper()}"
        declare(store, token_id, publishers=["alice"])
        with As("alice"), statements(store.engine) as sent:
            create_version(store, policy, tags=token_tags(**{TOKEN: token_id}))
            create_version(store, policy, tags=token_tags(**{TOKEN: token_id, VALUE: "0.9"}))
            create_version(store, policy, tags=token_tags(**{TOKEN: token_id, VALUE: "0.6"}))
            set_tag(store, policy, 3, VALUE, "0.8")
        counts.append(len(sent))
    _first, free, declared = counts  # the first event begins the ledger
    assert declared == free


def test_codes_are_all_known():
    """The scan of the index knows every code that an owner's refusal has."""
    owner = Ownership("a", frozenset({"f1_score"}), is_closed=True)
    use = Use("a", "IMG-001", "accuracy", "mallory")
    found = check_ownership(use, owner, declared=True)
    found += check_ownership(use, None, declared=True)
    found += check_ownership(Use("b", "IMG-001", None, None), owner, declared=False)
    assert {violation.code for violation in found} == OWNERSHIP_CODES
