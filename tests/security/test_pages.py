"""What the pages are served with, and that their templates hold nothing that runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
import requests
from security.accounts import ADMIN, READER, STRANGER
from security.matrix import page_cell, pages_matrix
from security.seeds import SECOND, SECRET, TOKEN
from security.servers import Auth, Server

from hokusai_mlflow_plugin.web.api.routes import ROUTES
from hokusai_mlflow_plugin.web.pages.assets import all_assets
from hokusai_mlflow_plugin.web.pages.pages import PAGES

ROOT = "/hokusai/"
ROLES: dict[str, Auth | None] = {
    "administrator": ADMIN,
    f"reader of `{SECOND}`": READER,
    "no rights": STRANGER,
    "anonymous": None,
}
TEMPLATES = sorted(
    files("hokusai_mlflow_plugin.web.pages").joinpath("templates").iterdir(),
    key=lambda file: file.name,
)
_FOREIGN = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)|javascript:|data:", re.IGNORECASE)


class _Inline(HTMLParser):
    """Collects what a Content-Security-Policy without 'unsafe-inline' would stop."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.found += [f"<{tag} {name}>" for name in names if name.startswith("on")]
        self.found += [f"<{tag} style>"] if "style" in names or tag == "style" else []
        self._is_script = tag == "script" and "src" not in names
        if self._is_script or tag in ("iframe", "object", "embed", "base"):
            self.found.append(f"<{tag}>")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_template_holds_nothing_that_runs(template) -> None:
    """No inline handler, script or style, no foreign address, and nothing is marked as safe."""
    text = template.read_text(encoding="utf-8")
    parser = _Inline()
    parser.feed(text)
    assert parser.found == []
    assert not _FOREIGN.search(text)
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)


@pytest.mark.parametrize("asset", all_assets(), ids=lambda asset: asset.name)
def test_asset_names_no_foreign_address(asset) -> None:
    """No file loads anything from elsewhere, and none makes code of text."""
    text = asset.content.decode()
    assert not _FOREIGN.search(re.sub(r"(?m)^\s*//.*|\s// .*", "", text))
    assert not re.search(
        r"\beval\b|new Function|innerHTML|insertAdjacentHTML|document\.write", text
    )


def test_each_page_has_the_rule_of_a_route() -> None:
    """A permission has one home: the table of routes."""
    rules = {route.path: route.rule for route in ROUTES}
    assert {page.path: page.rule for page in PAGES} == {
        page.path: rules[page.route] for page in PAGES
    }


@pytest.mark.parametrize("path", ["", f"token?token_id={TOKEN}", "nothing", "token?token_id=no"])
def test_page_is_served_safely(sqlite_server: Server, path: str) -> None:
    """Nothing of it is kept, run from elsewhere, framed or guessed; errors are pages, too."""
    status, headers, body = sqlite_server.raw("GET", ROOT + path)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy.pop("default-src") == policy.pop("base-uri") == "'none'"
    assert set(policy.values()) == {"'self'"}
    assert "frame-ancestors" in policy
    assert status == {"nothing": 404, "token?token_id=no": 400}.get(path, 200)
    assert b"<h1>" in body


def test_assets_are_kept_by_their_content(sqlite_server: Server) -> None:
    """An asset's address changes with its content, so that browsers may keep it for good."""
    _status, _headers, body = sqlite_server.raw("GET", ROOT)
    found = set(re.findall(r'(?:src|href)="(/hokusai/assets/[^"]+)"', body.decode()))
    assert found
    for path in found:
        status, headers, content = sqlite_server.raw("GET", path)
        assert status == 200
        assert content
        assert headers["cache-control"] == "private, max-age=31536000, immutable"
    stale = re.sub(r"\.[0-9a-f]{16}\.", ".0123456789abcdef.", found.pop())
    assert sqlite_server.raw("GET", stale)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["", "token"])
def test_pages_are_only_read(sqlite_server: Server, method: str, path: str) -> None:
    """Nothing on a page changes anything: they take no other method than GET."""
    status, headers, _body = sqlite_server.raw(method, ROOT + path)
    assert status == 405
    assert "POST" not in headers.get("allow", "")


def test_matrix_has_every_page() -> None:
    """No page is missing in the table."""
    asked = {address.removeprefix(ROOT).partition("?")[0] for address in pages_matrix()}
    assert asked == {page.path for page in PAGES}


@pytest.mark.parametrize("address", pages_matrix())
@pytest.mark.parametrize("role", ROLES)
def test_role_gets_what_the_matrix_says(guarded: Server, address: str, role: str) -> None:
    """Each role gets of each page exactly what SECURITY.md says."""
    answer = requests.get(guarded.url + address, auth=ROLES[role], timeout=60)
    assert page_cell(answer) == pages_matrix()[address][role]


@pytest.mark.parametrize("role", ["administrator", f"reader of `{SECOND}`"])
def test_a_decision_names_its_user(guarded: Server, role: str) -> None:
    """Who may read a version is told on whose request it was decided on."""
    address = f"{guarded.url}{ROOT}version?name=second&version=2"
    answer = requests.get(address, auth=ROLES[role], timeout=60)
    assert (answer.status_code, 'by <span class="user">admin</span>' in answer.text) == (200, True)


@pytest.mark.parametrize(
    "path", ["", "assets/x", "token?token_id=IMG-001", "nothing", "?workspace=x"]
)
def test_login_is_mlflows(guarded: Server, path: str) -> None:
    """Who is not authenticated gets the login of MLflow's basic-auth, and nothing else."""
    answer = requests.get(guarded.url + ROOT + path, timeout=60)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert TOKEN not in answer.text
    assert SECRET not in answer.text
