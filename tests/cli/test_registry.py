"""``hokusai-mlflow token`` and ``model``: a registry asked as any client asks it."""

from __future__ import annotations

import re
import shutil

import pytest
import requests
from cli.commands import failed, run
from sqlalchemy import create_engine, inspect, make_url

from hokusai_mlflow_plugin.domain.delta import Evidence
from hokusai_mlflow_plugin.domain.explanations import evidence_text

API = "/api/2.0/hokusai/"
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")


@pytest.fixture(params=["server", "database", "environment"])
def ask(request, server):
    """Runs a command on the server, or on its database in this process."""

    def ask_registry(*arguments):
        if request.param == "environment":
            return run(*arguments, environ={"MLFLOW_REGISTRY_URI": server.uri})
        uri = server.uri if request.param == "server" else server.database_uri
        return run(*arguments, "--registry-uri", uri)

    return ask_registry


def shown(done):
    """The cells of what a command printed, times and the page's address apart."""
    assert done.status == 0, done
    lines = TIME.sub("TIME", done.output).splitlines()
    told = [line for line in lines if line and not line.startswith("In the browser: http")]
    return [re.split(r" {2,}", line) for line in told]


def test_token_list(ask):
    """Each token with how many models and versions it has."""
    header, _rule, row = shown(ask("token", "list"))
    assert header == ["token", "models", "versions", "last registered"]
    assert row == ["IMG-001", "1", "2", "TIME"]


def test_token_list_by_prefix(ask):
    """Only tokens that begin so; none is said to be none."""
    assert len(shown(ask("token", "list", "--prefix", "IMG"))) == 3
    assert ask("token", "list", "--prefix", "SENT").output == "None.\n"


def test_token_show(ask):
    """A token's series, contributors and versions."""
    cells = shown(ask("token", "show", "IMG-001"))
    assert cells[0] == ["IMG-001: 2 versions of 1 model, last registered TIME."]
    assert ["accuracy", "maximize", "0.85", "0.87", "image-classifier v2"] in cells
    versions = cells.index(["Versions, newest first:"])
    assert cells[versions + 3 :] == [
        ["image-classifier", "2", "accuracy", "0.87", "TIME"],
        ["image-classifier", "1", "accuracy", "0.85", "TIME"],
    ]


def test_model_lineage(ask):
    """Each version with its decision and its parent, oldest first."""
    _header, _rule, first, second = shown(ask("model", "lineage", "image-classifier"))
    assert first[:5] == ["1", "IMG-001", "accuracy", "0.85", "baseline"]
    assert second == [
        "2",
        "IMG-001",
        "accuracy",
        "0.87",
        "achieved",
        "2",
        "image-classifier v1",
        "image-classifier v1",
        "TIME",
    ]


@pytest.mark.parametrize(
    ("command", "route"),
    [
        (("token", "list"), "tokens/list"),
        (("model", "lineage", "image-classifier"), "registered-models/lineage"),
    ],
    ids=["token list", "model lineage"],
)
def test_json_is_that_of_the_route(ask, server, command, route):
    """Machines get what the REST route answers."""
    parameters = {"name": command[2]} if len(command) > 2 else {}
    answer = requests.get(server.uri + API + route, params=parameters, timeout=30).json()
    assert ask(*command, "--output", "json").json == answer


def test_json_of_one_token(ask, server):
    """``token show`` gives the token of ``tokens/get``."""
    answer = requests.get(
        f"{server.uri}{API}tokens/get", params={"token_id": "IMG-001"}, timeout=30
    ).json()
    assert ask("token", "show", "IMG-001", "--output", "json").json == answer["token"]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("token", "show", "NO-001"), "under token NO-001. 'hokusai-mlflow token list' shows"),
        (("token", "show", "img_001"), "Token ID format invalid: 'img_001'"),
        (("token", "list", "--prefix", "img"), "no token id begins so"),
        (("model", "lineage", "nobody's"), "Registered Model with name=nobody's not found"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_unknown(ask, command, sentence):
    """What is not there, or cannot be, is one sentence."""
    assert sentence in failed(ask(*command))


def test_nothing_configured(server, folder):
    """The database that a server made in this folder is asked, and is said to be."""
    shutil.copyfile(make_url(server.database_uri).database, folder / "hokusai.db")
    done = run("token", "list")
    assert done.lines[-1].startswith("IMG-001")
    assert done.errors == "Asking sqlite:///hokusai.db, the database in this folder.\n"
    assert run("db", "check").status == 0


@pytest.mark.parametrize("command", [("token", "list"), ("policy", "list"), ("db", "check")])
def test_nothing_anywhere(folder, command):
    """A query makes no database, and the sentence says how to name a registry."""
    failed(run(*command), 2)
    assert list(folder.iterdir()) == []
    if command[0] != "db":
        assert "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000" in failed(run(*command), 2)


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
def test_configured_database_that_is_not_there(folder, variable):
    """A misspelt name makes none either."""
    done = run("token", "list", environ={variable: "sqlite:///mlfow.db"})
    assert failed(done) == "There is no SQLite database mlfow.db."
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_query_migrates_nothing(stock_database_uri):
    """A stock MLflow's database is left as it is."""
    assert "hokusai-mlflow db upgrade" in failed(
        run("token", "list", "--registry-uri", stock_database_uri)
    )
    assert inspect(create_engine(stock_database_uri)).has_table("hokusai_series") is False


def test_policy_of_a_database(server):
    """``policy list`` takes a database as ``index`` does, or a server."""
    assert run("policy", "list", server.database_uri).output == "None.\n"
    assert run("policy", "list", f"hokusai+{server.database_uri}").output == "None.\n"
    assert run("policy", "list", "--registry-uri", server.uri).output == "None.\n"
    done = run("policy", "list", server.database_uri, "--registry-uri", server.uri)
    assert "either DATABASE_URI or --registry-uri" in failed(done, 2)


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "databricks"])
def test_registry_that_knows_no_tokens(uri):
    """A registry of files, or of somebody else's, is refused with what to do."""
    assert "cannot be token-aware" in failed(run("token", "list", "--registry-uri", uri))


@pytest.mark.parametrize("evidence", [each.value for each in Evidence])
def test_each_evidence_has_a_sentence(evidence):
    """What was logged is left out where whoever asks may not read it."""
    untold = evidence_text({"evidence": evidence})
    told = evidence_text({"evidence": evidence, "logged_value": "0.9"})
    assert untold.endswith(".")
    assert told == (untold.replace(".", ": 0.9.") if evidence == "mismatch" else untold)


def test_deltaone_explain_warns(ask):
    """Likely mistakes in the version's tags are said with the decision (R15)."""
    done = ask("deltaone", "explain", "image-classifier")
    assert done.status == 0
    assert "  Warning: The version names no contributor" in done.output
