"""docs/http-api.md says what the contract says, and its examples give what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.blocks import Reader, comparable, examples
from security.seeds import seed
from security.servers import AJAX_PREFIX, PREFIX, serve
from support.databases import AllDatabases

from hokusai_mlflow_plugin.web.api.contract import documents, openapi
from hokusai_mlflow_plugin.web.api.routes import ROUTES, Route

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+ \S+/?\S+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.DOTALL))


def test_each_route_has_its_section() -> None:
    """The sections with a method are the routes, in the order of the table."""
    documented = [title for title in SECTIONS if title.startswith(("GET ", "POST "))]
    routes = [f"{route.method} {route.path}" for route in ROUTES]
    assert documented == [*routes, *(f"GET {each.path}" for each in documents())]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_section_says_what_the_contract_says(route: Route) -> None:
    """Each section has every parameter, the permission, a curl, and every error but the general."""
    section = SECTIONS[f"{route.method} {route.path}"]
    operation = openapi((PREFIX, AJAX_PREFIX))["paths"][f"/{route.path}"]
    (described,) = operation.values()
    assert described["summary"] in section
    assert described["description"] in section
    rows = re.findall(r"^\| `(\w+)` \| (.*)$", section, re.MULTILINE)
    assert [name for name, _rest in rows] == list(route.parameters.model_fields)
    for parameter in described.get("parameters", ()):
        row = dict(rows)[parameter["name"]]
        assert ("required" in row) == parameter["required"]
        assert parameter["description"] in row
        assert str(parameter["schema"].get("maximum", "")) in row
    (errors,) = re.findall(r"^Errors: (.*)$", section, re.MULTILINE)
    general = {"200", "401", "403", "503"}
    assert set(described["responses"]) - general <= set(re.findall(r"\d{3}", errors))
    assert "$ curl" in section


def test_examples_give_what_the_page_shows(all_databases: AllDatabases, tmp_path: Path) -> None:
    """What a reader copies works, and prints what the page says, ids and times apart."""
    uri = all_databases.of("sqlite").create()
    with serve(tmp_path, uri) as server:
        seed(server)
        reader = Reader(server.url, uri, tmp_path)
        try:
            asked = [each for each in examples(PAGE) if each.language == "console"]
            printed = {example: reader.run(example) for example in asked}
        finally:
            reader.close()
    assert len(printed) == len(ROUTES) + len(documents()) + 1
    for example, output in printed.items():
        assert comparable(output) == comparable(example.output), f"line {example.line}"


def test_each_status_is_in_the_table_of_errors() -> None:
    """Every error status of the contract has its row."""
    described = openapi((PREFIX, AJAX_PREFIX))["paths"]
    statuses = {
        status
        for operations in described.values()
        for operation in operations.values()
        for status in operation["responses"]
    }
    rows = re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)
    assert statuses - {"200"} <= set(re.findall(r"\d{3}", " ".join(rows)))
