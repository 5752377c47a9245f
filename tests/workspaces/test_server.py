"""A server with workspaces: each request stays inside the workspace that it names (R4, R7)."""

from __future__ import annotations

import html
import re

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import WorkspaceContext
from support.registry import METRIC, SOURCE, TOKEN, VALUE, token_tags
from support.servers import ServerStopped, mlflow_server

from hokusai.core import ModelRegistry

TEAMS = ("team-a", "team-b")
ENABLED = "--enable-workspaces"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with two workspaces besides the default one."""
    folder = tmp_path_factory.mktemp("workspaces")
    with mlflow_server(folder, ENABLED, is_first_start=True) as running:
        client = client_of(running)
        for team in TEAMS:
            client.create_workspace(team)
        yield running


def client_of(server):
    return MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)


def register(server, workspace, name, *values, **tags):
    """Tokenised versions with these values, in a workspace; the model is made where it is not."""
    client = client_of(server)
    with WorkspaceContext(workspace):
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        for value in values:
            given = token_tags(**{VALUE: value, **tags})
            client.create_model_version(name, SOURCE, tags=given)


def ask(server, workspace, path, status=200, **parameters):
    """What a route of the plugin's answers to a request that names a workspace, or none."""
    headers = {"X-MLFLOW-WORKSPACE": workspace} if workspace else {}
    url = f"{server.uri}/api/2.0/hokusai/{path}"
    answer = requests.get(url, params=parameters, headers=headers, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def values_of(server, workspace, token):
    """The values that list-by-token shows."""
    versions = ask(server, workspace, "model-versions/list-by-token", token_id=token)
    return [
        tag["value"]
        for version in versions["model_versions"]
        for tag in version["tags"]
        if tag["key"] == VALUE
    ]


def test_same_model_in_two_workspaces(server):
    """Two teams with the same model do not see each other's versions."""
    register(server, "team-a", "twin", "0.5", hokusai_token_id="TWIN-001")
    register(server, "team-b", "twin", "0.6", "0.605", hokusai_token_id="TWIN-002")
    assert values_of(server, "team-a", "TWIN-001") == ["0.5"]
    assert sorted(values_of(server, "team-b", "TWIN-002")) == ["0.6", "0.605"]
    assert values_of(server, None, "TWIN-001") == []
    assert len(ask(server, "team-a", "registered-models/lineage", name="twin")["lineage"]) == 1
    assert len(ask(server, "team-b", "registered-models/lineage", name="twin")["lineage"]) == 2
    counts = [
        [(each["token_id"], each["version_count"]) for each in tokens]
        for tokens in (ask(server, team, "tokens/list", prefix="TWIN")["tokens"] for team in TEAMS)
    ]
    assert counts == [[("TWIN-001", 1)], [("TWIN-002", 2)]]


def test_each_workspace_has_its_ledger(server):
    """A series, its head and its rewards are the workspace's own, and so is the numbering."""
    register(server, "team-a", "paid", "0.5", "0.6", "0.7", hokusai_token_id="PAID-001")
    register(server, "team-b", "paid", "0.1", "0.2", hokusai_token_id="PAID-002")
    events = {
        team: [
            (event["sequence"], event["data"]["workspace"], event["data"]["improvement_pp"])
            for event in ask(server, team, "reward-events/list")["reward_events"]
        ]
        for team in TEAMS
    }
    assert events["team-a"] == [(1, "team-a", "10"), (2, "team-a", "10")]
    assert events["team-b"] == [(1, "team-b", "10")]
    assert ask(server, None, "reward-events/list")["reward_events"] == []
    detected = ask(server, "team-b", "deltaone/detect", name="paid")
    assert detected["decision"]["baseline"]["value"] == "0.1"


def test_what_only_another_workspace_has(server):
    """To everybody else it is not there."""
    register(server, "team-a", "hidden", "0.5", hokusai_token_id="HID-001")
    ask(server, "team-b", "registered-models/lineage", 404, name="hidden")
    ask(server, "team-b", "deltaone/detect", 404, name="hidden")
    ask(server, "team-b", "tokens/get", 404, token_id="HID-001")
    ask(server, "nowhere", "tokens/list", 404)
    with WorkspaceContext("team-b"), pytest.raises(MlflowException, match="not found"):
        client_of(server).set_model_version_tag("hidden", "1", VALUE, "0.9")
    assert values_of(server, "team-a", "HID-001") == ["0.5"]


def test_writes_are_judged_in_their_workspace(server):
    """The token of a model binds the versions of its own workspace alone."""
    client = client_of(server)
    with WorkspaceContext("team-a"):
        client.create_registered_model("bound", tags={TOKEN: "BOUND-001"})
        with pytest.raises(MlflowException, match="carries token"):
            client.create_model_version("bound", SOURCE, tags=token_tags())
    with WorkspaceContext("team-b"):
        client.create_registered_model("bound")
        client.create_model_version("bound", SOURCE, tags=token_tags(**{TOKEN: "BOUND-002"}))
        with pytest.raises(MlflowException, match="cannot be deleted"):
            client.delete_model_version_tag("bound", "1", METRIC)
    with WorkspaceContext("team-a"):
        assert client.search_model_versions("name = 'bound'") == []


HEIR = token_tags(**{VALUE: "0.7", TOKEN: "HEIR-002"})


def test_a_token_is_of_one_workspace(server):
    """R18: the team that uses a token first has it, until an administrator assigns it."""
    register(server, "team-a", "owner", "0.5", hokusai_token_id="OWN-001")
    with pytest.raises(MlflowException, match="belongs to another workspace"):
        register(server, "team-b", "owner", "0.9", hokusai_token_id="OWN-001")
    registry = ModelRegistry(server.uri, server.uri)
    with WorkspaceContext("team-b"), pytest.raises(ValueError, match="reassign"):
        registry.declare_token("OWN-001", ["accuracy"])
    with WorkspaceContext("team-b"):
        registry.declare_token("OWN-001", ["accuracy"], reassign=True)
    register(server, "team-b", "owner", "0.9", hokusai_token_id="OWN-001")
    with pytest.raises(MlflowException, match="belongs to another workspace"):
        register(server, "team-a", "owner", "0.95", hokusai_token_id="OWN-001")
    found = ask(server, None, "tokens/check")["tokens"]
    assert {
        "token_id": "OWN-001",
        "owner": "team-b",
        "workspaces": ["team-a", "team-b"],
        "is_declared": True,
    } in found


@pytest.mark.parametrize("tags", [{}, HEIR], ids=["plain", "tokenised"])
def test_workspace_made_anew(server, tags):
    """Deleting a workspace with all that is in it leaves nothing that a namesake would inherit.

    MLflow deletes by SQL that the plugin does not hear: the old index row stays, but is of a
    version with another creation time.
    """
    client, url = client_of(server), f"{server.uri}/api/3.0/mlflow/workspaces/team-c"
    client.create_workspace("team-c")
    register(server, "team-c", "heir", "0.5", hokusai_token_id="HEIR-001", contributor="alice")
    assert requests.delete(url, params={"mode": "CASCADE"}, timeout=60).ok
    client.create_workspace("team-c")
    try:
        with WorkspaceContext("team-c"):
            client.create_registered_model("heir")
            client.create_model_version("heir", SOURCE, tags={**tags})
        assert values_of(server, "team-c", "HEIR-001") == []
        ask(server, "team-c", "tokens/get", 404, token_id="HEIR-001")
        found = ask(server, "team-c", "deltaone/detect", name="heir")["decision"]
        assert (found and (found["value"], found["outcome"])) == (
            ("0.7", "baseline") if tags else None
        )
        assert values_of(server, "team-c", "HEIR-002") == (["0.7"] if tags else [])
    finally:
        assert requests.delete(url, params={"mode": "CASCADE"}, timeout=60).ok


def test_switching_on_and_off(tmp_path):
    """What was there belongs to the default workspace; going back is for MLflow to refuse.

    MLflow refuses it while a model is in another workspace, with the plugin as without.
    """
    with mlflow_server(tmp_path, is_first_start=True) as single:
        client = client_of(single)
        client.create_registered_model("model")
        client.create_model_version("model", SOURCE, tags=token_tags(**{VALUE: "0.5"}))
    with mlflow_server(tmp_path, ENABLED) as shared:
        assert values_of(shared, None, "IMG-001") == ["0.5"]
        assert values_of(shared, "default", "IMG-001") == ["0.5"]
        register(shared, "default", "model", "0.6")
        events = ask(shared, "default", "reward-events/list")["reward_events"]
        assert [event["data"]["baseline"]["value"] for event in events] == ["0.5"]
    with mlflow_server(tmp_path) as single:
        assert sorted(values_of(single, None, "IMG-001")) == ["0.5", "0.6"]
    with mlflow_server(tmp_path, ENABLED) as shared:
        client_of(shared).create_workspace("team-a")
        with pytest.raises(MlflowException, match="belongs to another workspace"):
            register(shared, "team-a", "model", "0.7")
        register(shared, "team-a", "model", "0.7", hokusai_token_id="IMG-002")
    for app_name in ("hokusai", None):
        with (
            pytest.raises(ServerStopped, match="Cannot disable workspaces"),
            mlflow_server(tmp_path, app_name=app_name),
        ):
            pass


def test_pages_stay_inside_their_workspace(server):
    """A page shows the workspace that it is asked for, and every link on it stays there."""
    register(server, "team-a", "paged", "0.5", "0.6137", **{TOKEN: "PAGE-001"})
    addresses = (
        "",
        "token?token_id=PAGE-001",
        "model?name=paged",
        "version?name=paged&version=2",
        "ledger?token_id=PAGE-001",
    )
    for address in addresses:
        joined = "&" if "?" in address else "?"
        url = f"{server.uri}/hokusai/{address}{joined}workspace="
        own = requests.get(f"{url}team-a", timeout=60)
        assert own.status_code == 200
        assert "PAGE-001" in own.text
        links = re.findall(r'href="(/hokusai/[^"]*)"', html.unescape(own.text))
        inside = [link for link in links if "assets/" not in link]
        assert inside
        # The menu of workspaces alone leads out of it.
        others = [link for link in inside if "workspace=team-a" not in link]
        assert {link.partition("workspace=")[2] for link in others} == {"default", "team-b"}
        other = requests.get(f"{url}team-b", timeout=60)
        assert other.status_code == (200 if address in ("", addresses[-1]) else 404)
        assert "0.6137" not in other.text
