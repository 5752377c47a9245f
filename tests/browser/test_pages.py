"""The pages in a real browser: for each role, by keyboard, narrow, dark, printed, scriptless."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
import requests
import rfc8785
from browser.conftest import USERS, VENDOR, Open
from browser.seeds import CLASSIFIER, DETECTOR, HOSTILE, IMAGE, SALE, TEXT, TUNED
from playwright.sync_api import Page, expect
from security.accounts import ADMIN
from security.servers import Server

from hokusai_mlflow_plugin.web.pages.assets import all_assets
from hokusai_mlflow_plugin.web.pages.links import Links
from hokusai_mlflow_plugin.web.pages.pages import PAGES

AXE = VENDOR / "axe.min.js"
AXE_SHA256 = "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb"
LINKS = Links("/hokusai/", {})
TARGETS = {
    "tokens": LINKS.page(),
    "token": LINKS.token(IMAGE),
    "token over time": LINKS.token(TEXT, over="time"),
    "model": LINKS.model(CLASSIFIER),
    "copied model": LINKS.model(TUNED),
    "hostile model": LINKS.model(HOSTILE),
    "version": LINKS.version(CLASSIFIER, 20),
    "hostile version": LINKS.version(HOSTILE, 2),
    "ledger": LINKS.page("ledger"),
    "findings": LINKS.page("findings"),
    "try": LINKS.page("try", hokusai_token_id="img_1", benchmark_metric="f1", name="<b>"),
    "no such model": LINKS.model("nothing"),
}
SEEN = {
    "tokens": (200, 200, 200),
    "token": (200, 200, 404),
    "token over time": (200, 404, 404),
    "model": (200, 200, 403),
    "copied model": (200, 403, 403),
    "hostile model": (200, 403, 403),
    "version": (200, 200, 403),
    "hostile version": (200, 403, 403),
    "ledger": (200, 200, 200),
    "findings": (200, 403, 403),
    "try": (200, 200, 200),
    "no such model": (404, 403, 403),
}
HIDDEN = (DETECTOR, TUNED, TEXT, SALE, "onerror")
"""Nothing that the reader or the stranger sees names these."""
SIGHTS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"width": 360, "height": 740},
    "wide": {"width": 2560, "height": 1300},
}


def event_address(server: Server, sequence: int = 4) -> str:
    answer = server.ask("reward-events/list", ADMIN, after=sequence - 1, max_results=1)
    return LINKS.event(answer.json()["reward_events"][0]["id"])


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page, by WCAG 2.2 A and AA and its own advice."""
    page.evaluate(AXE.read_text(encoding="utf-8"))  # a script of the page's would be refused
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def test_axe_is_the_one_that_was_vendored() -> None:
    """The file is the release that it says it is."""
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() == AXE_SHA256


def test_every_page_is_looked_at() -> None:
    """No page is missing in these tests."""
    looked_at = {
        address.removeprefix("/hokusai/").partition("?")[0] for address in TARGETS.values()
    }
    assert looked_at | {"event"} == {page.path for page in PAGES}


@pytest.mark.parametrize("role", USERS)
@pytest.mark.parametrize("target", TARGETS)
def test_role_sees_what_its_routes_tell(
    open_page: Open, seeded: Server, target: str, role: str
) -> None:
    """Each role gets the page or a refusal, as from the route; nothing unreadable is on it."""
    status = SEEN[target][list(USERS).index(role)]
    answer = requests.get(seeded.url + TARGETS[target], auth=USERS[role], timeout=60)
    assert answer.status_code == status
    if role != "administrator":
        name_asked_for = TARGETS[target]
        assert not [each for each in HIDDEN if each in answer.text and each not in name_asked_for]
    page = open_page(TARGETS[target], role=role, quiet=status == 200)
    expect(page.locator("h1")).to_have_count(1)
    expect(page.get_by_role("navigation", name="Pages").get_by_text("Findings")).to_have_count(
        1 if role == "administrator" and status == 200 else 0
    )


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("target", [*TARGETS, "event"])
def test_page_can_be_read_by_all(open_page: Open, seeded: Server, target: str, sight: str) -> None:
    """axe-core finds nothing, in light and dark, narrow and wide, and no page scrolls sideways."""
    address = event_address(seeded) if target == "event" else TARGETS[target]
    page = open_page(address, quiet=SEEN.get(target, (200,))[0] == 200, **SIGHTS[sight])
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_keyboard_reaches_the_points_of_a_chart(open_page: Open) -> None:
    """The point that has the focus tells its version, value, improvement and contributor."""
    page = open_page(LINKS.token(IMAGE))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    point = page.locator(".mark.achieved a").first
    point.focus()
    tip = page.locator(".tip").first
    expect(tip).to_be_visible()
    told = point.get_attribute("aria-label")
    assert re.fullmatch(r"\S+ v\d+ · accuracy 0\.\d+ · DeltaOne · \+[\d.]+ pp · 0x\S{40}", told)
    assert tip.inner_text().split("\n") == told.split(" · ")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator(".eyebrow")).to_have_text(re.compile("model version", re.IGNORECASE))


def test_pointing_at_a_point_tells_the_same(open_page: Open) -> None:
    """The tip follows the pointer and goes with it."""
    page = open_page(LINKS.model(CLASSIFIER))
    page.locator(".mark.baseline a").first.hover()
    tip = page.locator(".tip").first
    expect(tip).to_contain_text(f"{CLASSIFIER} v1")
    page.get_by_role("heading", level=1).hover()
    expect(tip).to_be_hidden()


def test_each_chart_has_its_data_as_a_table(open_page: Open) -> None:
    """Each point's version and exact value are in the table of the same page."""
    page = open_page(LINKS.token(TEXT))
    drawn = page.locator(".plot .mark a").evaluate_all(
        "links => links.map(link => link.getAttribute('aria-label').split(' · ').slice(0, 2))"
    )
    rows = page.locator("section[aria-labelledby=versions] tbody tr").evaluate_all(
        "rows => rows.map(row => [row.cells[0].innerText, row.cells[1].innerText + ' ' + "
        "row.cells[2].innerText])"
    )
    assert sorted(drawn) == sorted(rows)
    assert len(drawn) == 82


def test_switch_draws_over_time(open_page: Open) -> None:
    """The switch draws the same values over time; it is a link, and works without a script."""
    page = open_page(LINKS.token(IMAGE), java_script_enabled=False)
    before = page.locator(".plot .mark").evaluate_all(
        "all => all.map(each => each.getAttribute('x'))"
    )
    with page.expect_navigation():
        page.get_by_role("link", name="Over time").click()
    after = page.locator(".plot .mark").evaluate_all(
        "all => all.map(each => each.getAttribute('x'))"
    )
    assert len(after) == len(before)
    assert after != before


@pytest.mark.parametrize("target", TARGETS)
def test_page_says_it_all_without_scripts(open_page: Open, target: str) -> None:
    """With JavaScript off every text is there, times in UTC."""
    quiet = SEEN[target][0] == 200
    plain = open_page(TARGETS[target], quiet=quiet, java_script_enabled=False)
    rich = open_page(TARGETS[target], quiet=quiet, timezone_id="UTC")
    texts = [
        re.sub(r"\s+", " ", page.locator("main").evaluate(_TEXT_WITHOUT_TIMES))
        for page in (plain, rich)
    ]
    assert texts[0] == texts[1]
    for time in plain.locator("main time").all_inner_texts():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", time)


_TEXT_WITHOUT_TIMES = (
    "main => { const copy = main.cloneNode(true);"
    " copy.querySelectorAll('time, title, .tip').forEach(each => each.remove());"
    " return copy.textContent; }"
)


def test_times_are_the_readers(open_page: Open) -> None:
    """Times are in the zone of who reads, UTC where one points at it."""
    times = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        page = open_page(LINKS.version(CLASSIFIER, 20), timezone_id=zone, locale="en-GB")
        time = page.locator("main time").first
        assert re.fullmatch(r"[\d-]+ [\d:]+ UTC", time.get_attribute("title"))
        times.append(time.inner_text())
    assert times[0] != times[1]


def test_event_is_recomputed_in_the_browser(open_page: Open, seeded: Server) -> None:
    """The button finds the hash and the chain right, and a changed text wrong."""
    page = open_page(event_address(seeded))
    button = page.get_by_role("button", name="Recompute in this browser")
    result = page.locator("#recompute-result li")
    button.click()
    expect(result).to_have_count(4)
    expect(result.first).to_have_text("The hash and its place in the chain are right.")
    expect(page.locator("#recompute-result .bad")).to_have_count(0)
    page.locator("[data-event=event]").evaluate(
        "pre => { pre.textContent = pre.textContent.replace('10000', '9999'); }"
    )
    button.click()
    expect(result.first).to_have_text("The hash or its place in the chain is wrong.")
    expect(page.locator("#recompute-result .bad")).to_have_count(3)


@pytest.mark.parametrize(
    "value",
    [
        {
            "b": 1,
            "a": [True, None, 'é\u2028\\"\n\x07'],
            "€": {"z": -0.5, "😀": 1e21, "ﬀ": 0},
        },
        [],
        {"": {"": ""}},
        9007199254740991,
    ],
)
def test_browser_writes_canonical_json(open_page: Open, seeded: Server, value: object) -> None:
    """The script's canonical JSON is, byte for byte, that of the ledger (RFC 8785)."""
    page = open_page(event_address(seeded))
    written = page.evaluate("text => canonical(JSON.parse(text))", json.dumps(value))
    assert written.encode() == rfc8785.dumps(value)


def test_first_event_follows_none(open_page: Open, seeded: Server) -> None:
    """The ledger's first event has no one before it, and the button says so."""
    page = open_page(event_address(seeded, 1))
    page.get_by_role("button", name="Recompute in this browser").click()
    expect(page.locator("#recompute-result")).to_contain_text("It is the first event")
    expect(page.locator("#recompute-result .bad")).to_have_count(0)


def test_reader_does_not_see_what_an_event_was_measured_against(
    open_page: Open, seeded: Server
) -> None:
    """An event is whole or not there: one that names an unreadable model is as one that is gone."""
    administrator = open_page(LINKS.page("ledger"))
    reader = open_page(LINKS.page("ledger"), role="reader")
    assert reader.locator("tbody tr").count() < administrator.locator("tbody tr").count()
    expect(reader.locator(".note")).to_have_count(0)
    hidden = server_event_naming(seeded, DETECTOR)
    answer = requests.get(seeded.url + LINKS.event(hidden), auth=USERS["reader"], timeout=60)
    assert answer.status_code == 404


def server_event_naming(server: Server, name: str) -> str:
    events = server.ask("reward-events/list", ADMIN).json()["reward_events"]
    return str(next(e["id"] for e in events if e["data"]["baseline"]["name"] == name))


def test_form_says_what_would_be_refused(open_page: Open) -> None:
    """Who tries tags is told each fault, and the fields keep what was typed."""
    page = open_page(LINKS.page("try"))
    page.locator("#hokusai_token_id").fill("img_001")
    page.locator("#benchmark_metric").fill("accuracy")
    page.locator("#benchmark_value").fill("0.9")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It would be refused.")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text("Token ID format invalid")
    page.locator("#hokusai_token_id").fill("IMG-001")
    page.get_by_role("button", name="Try").click()
    expect(page.get_by_text("It would be taken.")).to_be_visible()
    expect(page.locator("#benchmark_value")).to_have_value("0.9")


def test_search_finds_tokens_by_their_beginning(open_page: Open) -> None:
    """The list has the tokens that begin so, and says where there is none."""
    page = open_page()
    page.get_by_label("Token begins with").fill("IMG")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".tokens h2")).to_have_text([IMAGE])
    page.get_by_label("Token begins with").fill("ZZZ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No token begins with ZZZ")).to_be_visible()


def test_printed_page_has_its_content_alone(open_page: Open) -> None:
    """On paper there is no menu, no form and no button, and no table is cut off."""
    page = open_page(LINKS.model(CLASSIFIER))
    page.emulate_media(media="print")
    for gone in (".top nav", ".switch", ".aside"):
        expect(page.locator(gone).first).to_be_hidden()
    expect(page.locator("table").first).to_be_visible()
    assert page.pdf()[:5] == b"%PDF-"


def test_printed_tables_are_tables(open_page: Open) -> None:
    """Paper is as narrow as a telephone, but its rows stay rows, with their heads."""
    page = open_page(LINKS.page("ledger"), width=700)
    expect(page.locator("tbody tr").first).to_have_css("display", "block")
    page.emulate_media(media="print")
    expect(page.locator("tbody tr").first).to_have_css("display", "table-row")
    expect(page.locator("thead")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_lines_of_a_lineage_leave_its_marks_alone(open_page: Open) -> None:
    """The line to an original is dashed; the mark of the copy is not."""
    page = open_page(LINKS.model(TUNED))
    expect(page.locator("tbody .lanes > line.copy").first).to_have_css(
        "stroke-dasharray", "4px, 4px"
    )
    expect(page.locator("tbody .lanes > .mark.copy")).to_have_css("stroke-dasharray", "none")


def test_links_lead_into_mlflow(open_page: Open, seeded: Server) -> None:
    """A version's page leads to the same version in MLflow's own UI."""
    page = open_page(LINKS.version(CLASSIFIER, 20))
    link = page.get_by_role("link", name="This version in MLflow")
    assert link.get_attribute("href") == f"/#/models/{CLASSIFIER}/versions/20"


def test_scripts_are_small_enough_to_read() -> None:
    """All scripts of the pages together have less than 400 lines."""
    scripts = [asset.content.decode() for asset in all_assets() if asset.name.endswith(".js")]
    assert sum(len(script.splitlines()) for script in scripts) < 400
