"""Who gets what under basic-auth, on live servers with several workers.

The matrix is the table of SECURITY.md: the tests read it from there.
"""

from __future__ import annotations

import pytest
import requests
from security.accounts import ADMIN, READER, STRANGER
from security.matrix import cell, request_as, routes_matrix
from security.seeds import CONTRIBUTOR, FIRST, OTHER_TOKEN, SECOND, SECRET, TOKEN
from security.servers import PREFIX, Auth, Server

from hokusai_mlflow_plugin.web.access import Rule
from hokusai_mlflow_plugin.web.api.contract import documents
from hokusai_mlflow_plugin.web.api.routes import ROUTES

ROLES: dict[str, Auth | None] = {
    "administrator": ADMIN,
    f"reader of `{SECOND}`": READER,
    "no rights": STRANGER,
    "anonymous": None,
}
NAMED = [route.path for route in ROUTES if route.rule is Rule.READ_MODEL]
WRONG_PASSWORD: Auth = (ADMIN[0], "not-the-admins-password")


def test_matrix_has_every_route() -> None:
    """No route is missing in the table."""
    asked = {target.partition("?")[0] for _method, target in routes_matrix()}
    assert asked == {each.path for each in (*ROUTES, *documents())}


@pytest.mark.parametrize(("method", "target"), routes_matrix())
@pytest.mark.parametrize("role", ROLES)
def test_role_gets_what_the_matrix_says(
    guarded: Server, method: str, target: str, role: str
) -> None:
    """Each role gets at each route exactly what SECURITY.md says."""
    answer = request_as(guarded, method, target, ROLES[role])
    assert cell(answer) == routes_matrix()[method, target][role]


@pytest.mark.parametrize("path", [route.path for route in ROUTES if route.method == "GET"])
@pytest.mark.parametrize("prefix", ["/api/2.0/hokusai/", "/ajax-api/2.0/hokusai/"])
@pytest.mark.parametrize("auth", [READER, STRANGER, None], ids=["reader", "stranger", "anonymous"])
def test_head_tells_no_more_than_get(
    guarded: Server, prefix: str, path: str, auth: Auth | None
) -> None:
    """HEAD has the status of GET for every role: it is no way around a rule."""
    url = guarded.url + prefix + path
    parameters = {"name": SECRET} if path in NAMED else {}
    head = requests.head(url, params=parameters, auth=auth, timeout=60)
    get = requests.get(url, params=parameters, auth=auth, timeout=60)
    assert head.status_code == get.status_code
    assert head.status_code in (200, 400, 401, 403)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_wrong_password_is_anonymous(guarded: Server, method: str) -> None:
    """A name without its password opens nothing."""
    url = f"{guarded.url}{PREFIX}tokens/list"
    answer = requests.request(method, url, auth=WRONG_PASSWORD, timeout=60)
    assert answer.status_code == 401
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "target",
    [
        "registered-models/lineage?name=secret",
        "deltaone/detect?name=secret",
        "registered-models/lineage?name=nothing-has-this-name",
        "deltaone/detect?name=nothing-has-this-name",
    ],
)
def test_refusal_does_not_tell_whether_a_model_exists(guarded: Server, target: str) -> None:
    """Without rights a model that exists and one that does not look the same."""
    answer = request_as(guarded, "GET", target, STRANGER)
    assert answer.status_code == 403
    assert answer.json() == {
        **answer.json(),
        "error_code": "PERMISSION_DENIED",
        "message": "READ permission on this registered model is needed.",
    }


def test_unreadable_token_looks_like_none(guarded: Server) -> None:
    """A token of unreadable models gets the answer of a token that nobody ever used."""
    hidden = guarded.ask("tokens/get", READER, token_id=OTHER_TOKEN)
    unused = guarded.ask("tokens/get", READER, token_id="NO-ONE")
    assert hidden.status_code == unused.status_code == 404
    assert hidden.text.replace(OTHER_TOKEN, "NO-ONE") == unused.text


def test_totals_count_readable_models_only(guarded: Server) -> None:
    """Models, versions, times and contributors are added up from what the asker may read."""
    whole = guarded.ask("tokens/get", ADMIN, token_id=TOKEN).json()["token"]
    part = guarded.ask("tokens/get", READER, token_id=TOKEN).json()["token"]
    assert (whole["model_count"], whole["version_count"]) == (2, 4)
    assert (part["model_count"], part["version_count"]) == (1, 2)
    (everywhere,) = whole["contributors"]
    (here,) = part["contributors"]
    assert everywhere["contributor_address"] == here["contributor_address"] == CONTRIBUTOR
    assert (everywhere["version_count"], here["version_count"]) == (2, 1)
    assert everywhere["improvements"][0]["deltaone_count"] == 2
    assert here["improvements"] == []
    (listed,) = guarded.ask("tokens/list", READER).json()["tokens"]
    assert listed == {key: part[key] for key in listed}


def test_nothing_names_an_unreadable_model(guarded: Server) -> None:
    """Parents, baselines and reasons leave out models that the asker may not read."""
    targets = [
        f"registered-models/lineage?name={SECOND}&include_ancestors=true",
        f"deltaone/detect?name={SECOND}&version=1",
        f"model-versions/list-by-token?token_id={TOKEN}",
        f"tokens/get?token_id={TOKEN}",
        "tokens/list",
        "reward-events/list",
    ]
    for target in targets:
        text = request_as(guarded, "GET", target, READER).text
        assert f'"{FIRST}"' not in text
        assert f" {FIRST} version" not in text
        assert SECRET not in text
    decision = request_as(guarded, "GET", targets[1], READER).json()["decision"]
    assert decision["baseline"] == {"name": None, "version": None, "value": "0.82"}
    assert "may not read" in decision["reason"]
    decision = request_as(guarded, "GET", targets[1], ADMIN).json()["decision"]
    assert decision["baseline"] == {"name": FIRST, "version": "2", "value": "0.82"}


def test_unknown_path_is_closed(guarded: Server) -> None:
    """A path that is no route opens nothing; MLflow's fail-closed default (3.17) says 403."""
    assert guarded.ask("tokens/secret", READER).status_code in (403, 404)
    answer = guarded.ask("tokens/secret", ADMIN)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
