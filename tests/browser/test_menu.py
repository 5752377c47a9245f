"""The entry in the menu of MLflow's own UI, in a real browser (``HOKUSAI_UI_LINK``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from support.servers import Server, mlflow_server

ENTRY = "#hokusai-menu-entry a"


@pytest.fixture(scope="module")
def linked(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose UI has the entry."""
    environ = {"HOKUSAI_UI_LINK": "true"}
    with mlflow_server(tmp_path_factory.mktemp("menu"), environ=environ) as server:
        yield server


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def test_entry_leads_to_the_pages(linked: Server, tab: Page) -> None:
    """MLflow's menu has one entry more, once, also on other pages of its UI, and it leads here."""
    tab.goto(linked.uri)
    entry = tab.locator(ENTRY)
    expect(entry).to_be_visible(timeout=60_000)
    tab.goto(f"{linked.uri}/#/models")
    expect(entry).to_be_visible(timeout=60_000)
    expect(entry).to_have_text("Tokens")
    expect(entry).to_have_count(1)
    # Dialogs of MLflow's own may lie over its menu.
    entry.evaluate("link => link.click()")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Tokens")
    assert tab.url == f"{linked.uri}/hokusai/"


def test_entry_looks_as_the_others(linked: Server, tab: Page) -> None:
    """It is the last one and looks as the one before it: in an experiment, folded, unfolded."""
    tab.goto(f"{linked.uri}/#/experiments/0/runs")
    entry = tab.locator(ENTRY)
    expect(entry).to_have_text("Tokens", timeout=60_000)
    fold = tab.locator('[aria-label*="sidebar" i]').first
    expect_as_the_others(tab)
    for text in ("", "Tokens"):
        fold.evaluate("button => button.click()")
        expect(entry).to_have_text(text)
        expect_as_the_others(tab)


def expect_as_the_others(tab: Page) -> None:
    entry = tab.locator("li:not([id]) + li#hokusai-menu-entry:last-child")
    expect(entry).to_have_count(1)
    # MLflow's menu and ours are made anew one after the other.
    tab.wait_for_function("""() => {
        const item = document.querySelector("li:not([id]) + li#hokusai-menu-entry:last-child");
        if (!item) return false;
        const [own, other] = [item, item.previousElementSibling].map(each => {
            const link = each.querySelector("a");
            return link.className + (link.textContent ? " with text" : "");
        });
        return own === other;
    }""")


def test_entry_is_not_there_where_the_menu_is_unknown(linked: Server, tab: Page) -> None:
    """On a page that is built another way the script adds nothing and says nothing."""
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    stock = requests.get(linked.uri, timeout=60).text
    (script,) = re.findall(r"<script src=\"/hokusai/[^>]+></script>", stock)
    body = f"{script}<nav><div><a href='#/models'>Models</a></div></nav><aside>other</aside>"
    html = f"<!doctype html><html><head>{script}</head><body>{body}</body></html>"
    tab.route(
        f"{linked.uri}/",
        lambda route: route.fulfill(body=html, content_type="text/html"),
    )
    tab.goto(f"{linked.uri}/")
    before = tab.evaluate("document.body.childElementCount")
    tab.evaluate("document.body.append(document.createElement('ul'))")
    expect(tab.locator("#hokusai-menu-entry")).to_have_count(0)
    assert tab.evaluate("document.body.childElementCount") == before + 1
    assert said == []
