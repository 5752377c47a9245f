"""What leaves the server is data: never a page, never kept, and only for allowed origins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from security.seeds import TOKEN
from security.servers import AJAX_PREFIX, GUNICORN, JSON, PREFIX, Server, error_of, serve
from support.databases import AllDatabases

HOSTILE_NAME = "<img src=x onerror=alert(1)>"
ALLOWED = "https://allowed.example"
HOSTILE_TAG = "</script><script>alert('tag')</script>\u202e\u2028"


@pytest.fixture(scope="module", params=[(), GUNICORN], ids=["uvicorn", "gunicorn"])
def server(
    request: pytest.FixtureRequest,
    all_databases: AllDatabases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server of each kind, with a version that is hostile to whoever shows it."""
    uri = all_databases.of("sqlite").create()
    # As a variable: with gunicorn, MLflow does not take the option.
    environ = {"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ALLOWED}
    folder = tmp_path_factory.mktemp("output")
    with serve(folder, uri, *request.param, environ=environ) as running:
        tags = {
            "hokusai_token_id": TOKEN,
            "benchmark_metric": "accuracy",
            "benchmark_value": "0.8",
            "contributor": HOSTILE_TAG,
            "note": HOSTILE_TAG,
        }
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        assert running.post("mlflow/registered-models/create", {"name": HOSTILE_NAME}).ok
        version = {"name": HOSTILE_NAME, "source": "s3://b/m", "tags": listed}
        assert running.post("mlflow/model-versions/create", version).ok
        yield running


REQUESTS = {
    "an answer": ("GET", "tokens/list"),
    "hostile tags": ("GET", f"model-versions/list-by-token?token_id={TOKEN}"),
    "a hostile name": ("GET", "deltaone/detect?name=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"),
    "the description": ("GET", "openapi.json"),
    "a refused parameter": ("GET", "tokens/list?%3Cscript%3E=1"),
    "a refused value": ("GET", "tokens/get?token_id=%3Cscript%3Ealert(1)%3C/script%3E"),
    "nothing found": ("GET", "deltaone/detect?name=%3Cscript%3E"),
    "no such route": ("GET", "%3Cscript%3Ealert(1)%3C/script%3E"),
    "no such method": ("DELETE", "tokens/list"),
    "no such method on no such route": ("PATCH", "nothing"),
    "a refused body": ("POST", "tags/validate"),
}


@pytest.mark.parametrize("prefix", [PREFIX, AJAX_PREFIX])
@pytest.mark.parametrize(("method", "target"), REQUESTS.values(), ids=REQUESTS.keys())
def test_every_answer_is_data(server: Server, prefix: str, method: str, target: str) -> None:
    """Each answer is ASCII JSON that no browser takes for a page and no cache keeps."""
    sent = b"<b>" if method == "POST" else None
    status, headers, body = server.raw(method, prefix + target, sent)
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert body.isascii()
    if status >= 400:
        assert error_of(body)["message"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_wrong_method_is_405_with_the_right_ones(server: Server, method: str) -> None:
    """A route's path with another method is a 405 that names the methods."""
    status, headers, body = server.raw(method, f"{PREFIX}tokens/list")
    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert method in error_of(body)["message"]
    status, headers, _body = server.raw("GET", f"{PREFIX}tags/validate")
    assert (status, headers["allow"]) == (405, "POST, OPTIONS")


def test_head_and_options_have_no_body(server: Server) -> None:
    """HEAD is GET without its body; OPTIONS names the methods."""
    status, headers, body = server.raw("HEAD", f"{PREFIX}tokens/list")
    assert (status, headers["content-type"], body) == (200, "application/json", b"")
    status, headers, body = server.raw("OPTIONS", f"{PREFIX}tokens/list")
    assert (status, headers["allow"], body) == (204, "GET, HEAD, OPTIONS", b"")


@pytest.mark.parametrize(
    "target", ["..%2f..%2fetc%2fpasswd", "tokens%2flist", "tokens/list/", "tokens//list", "./x"]
)
def test_path_tricks_reach_no_other_route(server: Server, target: str) -> None:
    """Encoded slashes, dots and doubled slashes are another path, or led back to the right one."""
    status, headers, body = server.raw("GET", PREFIX + target)
    if status == 308:
        assert headers["location"].endswith(f"{PREFIX}tokens/list")
    elif status == 200:  # web servers decode %2f: it is then the route itself
        assert target == "tokens%2flist"
    else:
        assert (status, error_of(body)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize("target", ["tokens/list", "openapi.json", "nothing"])
def test_foreign_host_is_refused(server: Server, target: str) -> None:
    """MLflow's host check, which stops DNS rebinding, holds for our routes."""
    status, _headers, body = server.raw("GET", PREFIX + target, headers={"Host": "evil.example"})
    assert status == 403
    assert TOKEN.encode() not in body


def test_foreign_origin_may_not_post(server: Server) -> None:
    """MLflow refuses a browser's POST from a foreign page, and lets an allowed page's through."""
    body = b'{"tags": []}'
    foreign = {**JSON, "Origin": "https://evil.example"}
    assert server.raw("POST", f"{PREFIX}tags/validate", body, foreign)[0] == 403
    allowed = {**JSON, "Origin": ALLOWED}
    status, headers, _body = server.raw("POST", f"{PREFIX}tags/validate", body, allowed)
    assert status == 200
    assert headers["access-control-allow-origin"] == ALLOWED


def test_foreign_origin_may_not_read(server: Server) -> None:
    """No header allows a foreign page to read an answer; an allowed page has it."""
    for origin, expected in (
        ("https://evil.example", None),
        (ALLOWED, ALLOWED),
    ):
        headers = server.raw("GET", f"{PREFIX}tokens/list", headers={"Origin": origin})[1]
        assert headers.get("access-control-allow-origin") == expected


def test_preflight_of_a_foreign_page_is_not_granted(server: Server) -> None:
    """A browser that asks first is told nothing that would let a foreign page go on."""
    asks = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    headers = server.raw("OPTIONS", f"{PREFIX}tags/validate", headers=asks)[1]
    assert "access-control-allow-origin" not in headers
    asks["Origin"] = ALLOWED
    headers = server.raw("OPTIONS", f"{PREFIX}tags/validate", headers=asks)[1]
    assert headers["access-control-allow-origin"] == ALLOWED
