"""A real Chromium before a real server, on a registry that is full of everything the pages show."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser.seeds import CLASSIFIER, seed
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from security.accounts import ADMIN, READER, STRANGER, auth_environ, create_users, grant_read
from security.servers import Auth, Server, serve
from support.databases import AllDatabases
from support.engines import dispose_engines

from hokusai_mlflow_plugin.store.registry_store import build_store

_ARGUMENTS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
USERS: dict[str, Auth] = {"administrator": ADMIN, "reader": READER, "stranger": STRANGER}

Open = Callable[..., Page]


def _chromium() -> str:
    """The browser; skips where there is none, or fails where one is required."""
    named = os.environ.get("HOKUSAI_TEST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        is_required = os.environ.get("HOKUSAI_TEST_REQUIRE_BROWSER") == "true"
        report = pytest.fail if is_required else pytest.skip
        report("No Chromium for the tests: apt-get install chromium, or HOKUSAI_TEST_CHROMIUM=…")
    return str(found)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = _chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def seeded(
    browser: Browser, all_databases: AllDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with accounts: an administrator, a reader of one model, and a stranger."""
    uri = all_databases.of("sqlite").create()
    seed(build_store(f"hokusai+{uri}"))
    dispose_engines()
    folder = tmp_path_factory.mktemp("browser")
    with serve(folder, uri, app="hokusai-basic-auth", environ=auth_environ(folder)) as server:
        create_users(server, READER, STRANGER)
        grant_read(server, READER, CLASSIFIER)
        yield server


class Said:
    """What a page's console said, and the dialogs that it opened; tests expect nothing."""

    def __init__(self, context: BrowserContext) -> None:
        self.found: list[str] = []
        context.on("console", lambda message: self.found.append(f"console: {message.text}"))
        context.on("weberror", lambda error: self.found.append(f"error: {error.error}"))
        context.on("dialog", self._dismiss)

    def _dismiss(self, dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def open_page(browser: Browser, seeded: Server) -> Iterator[Open]:
    """Opens a page of ours: ``open_page("ledger", role="reader", width=360)``.

    After the test, no console has said anything.
    """
    contexts: list[tuple[BrowserContext, Said]] = []

    def make(
        path: str = "",
        role: str = "administrator",
        width: int = 1280,
        height: int = 900,
        quiet: bool = True,
        **options: object,
    ) -> Page:
        name, password = USERS[role]
        context = browser.new_context(
            base_url=f"{seeded.url}/hokusai/",
            viewport={"width": width, "height": height},
            http_credentials={"username": name, "password": password},
            **options,
        )
        said = Said(context)
        if quiet:
            contexts.append((context, said))
        page = context.new_page()
        page.goto(path)
        return page

    yield make
    for context, said in contexts:
        context.close()
        assert said.found == []


VENDOR = Path(__file__).parent / "vendor"
