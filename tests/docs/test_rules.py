"""docs/rules.md, the code that cites it, and the settings' defaults, wherever they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hokusai.reach.settings import ReachSettings
from hokusai_mlflow_plugin.domain.client_variables import CLIENT_VARIABLES
from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.settings import _PARSERS, Settings

CLIENT_DEFAULTS = {
    "HOKUSAI_COPY": ReachSettings().copy.value,
    "HOKUSAI_COPY_EXPERIMENT": ReachSettings().experiment,
}
ROOT = Path(__file__).parents[2]
RULES = "docs/rules.md"
NOT_BUILT = "Not built yet."
FOLDERS = ("hokusai", "hokusai_mlflow_plugin", "migrations", "tests", "benchmarks", "examples")
QUOTED = "docs/model-registry.md"  # the specification, in its own words

_CITED = re.compile(r"\bR([1-9][0-9]?)(?: to R([1-9][0-9]?))?\b")
_SECTION = re.compile(r"^## R([0-9]+) .+\n((?:.*\n)*?)(?=^## |^---)", re.MULTILINE)
_RESERVED = re.compile(r"^R([0-9]+) to R([0-9]+) are reserved\.$", re.MULTILINE)
_DEFAULT_ROW = re.compile(r"^\| `(HOKUSAI_[A-Z_]+)` \| (`[^`]+`|none) \|", re.MULTILINE)
_ENV_LINE = re.compile(r"^(#?)(HOKUSAI_[A-Z_]+)=(.*)$", re.MULTILINE)
_COMPOSE_DEFAULT = re.compile(r"\$\{(HOKUSAI_[A-Z_]+):-([^}]*)\}")


@dataclass(frozen=True)
class Rule:
    """One section of docs/rules.md."""

    homes: tuple[str, ...]
    tests: tuple[str, ...]
    is_built: bool


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def cited_in(text: str) -> set[int]:
    """The numbers of the rules that a text cites; ``R1 to R6`` cites six."""
    found: set[int] = set()
    for first, last in _CITED.findall(text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def sources() -> Iterator[str]:
    """Every module, test and page that may cite a rule."""
    for folder in FOLDERS:
        yield from (str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py"))
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    names = {str(path.relative_to(ROOT)) for path in pages}
    yield from names - {RULES, QUOTED}


def _paths(section: str, label: str) -> tuple[str, ...]:
    line = re.search(rf"^- {label}: ((?:.*\n)(?:  .*\n)*)", section, re.MULTILINE)
    return tuple(re.findall(r"`([^`]+)`", line[1])) if line else ()


DEFINED = {
    int(number): Rule(_paths(text, "Home"), _paths(text, "Tests"), f"- {NOT_BUILT}\n" not in text)
    for number, text in _SECTION.findall(read(RULES))
}
CITED = {path: cited_in(read(path)) for path in sources() if path != "tests/docs/test_rules.py"}


def test_rules_are_numbered_without_gaps() -> None:
    """A number means one rule for good: sections count from 1, and what follows is reserved."""
    assert list(DEFINED) == list(range(1, len(DEFINED) + 1))
    assert read(RULES).count("\n## R") == len(DEFINED)
    for first, last in _RESERVED.findall(read(RULES)):
        assert len(DEFINED) + 1 == int(first) <= int(last)


def test_cited_rules_are_defined() -> None:
    """Whoever reads a number in the code finds what it means."""
    undefined = {path: sorted(cited - set(DEFINED)) for path, cited in CITED.items()}
    assert {path: numbers for path, numbers in undefined.items() if numbers} == {}


@pytest.mark.parametrize("number", DEFINED)
def test_a_rule_has_a_home_and_tests_that_cite_it(number: int) -> None:
    """Each path of a section exists, and the file there says which rule it is about."""
    rule = DEFINED[number]
    if not rule.is_built:
        return
    assert rule.homes, f"R{number} has no home"
    assert rule.tests, f"R{number} has no test"
    for path in (*rule.homes, *rule.tests):
        assert (ROOT / path).is_file(), f"R{number}: {path} is not there"
        assert number in CITED[path], f"{path} does not cite R{number}"


def test_what_is_built_has_its_home_named() -> None:
    """A rule that code cites is no longer one to come."""
    modules = [path for path in CITED if path.startswith(("hokusai/", "hokusai_mlflow_plugin/"))]
    to_come = {number for number, rule in DEFINED.items() if not rule.is_built}
    assert {path: CITED[path] & to_come for path in modules if CITED[path] & to_come} == {}


def test_code_speaks_of_rules_by_number_alone() -> None:
    """Rules have one address; the document that they were first written in has none here."""
    speaking = [path for path in CITED if re.search(r"\bdesign (R[0-9]|section)", read(path))]
    assert speaking == []


def default_of(name: str) -> Any:
    """What the code takes where a setting is not given."""
    if name in CLIENT_DEFAULTS:
        return CLIENT_DEFAULTS[name]
    field = _PARSERS[name][0]
    source = RetryPolicy() if field in RetryPolicy.__dataclass_fields__ else Settings()
    return getattr(source, field)


def is_default(name: str, shown: str) -> bool:
    """Whether a text is how a setting's default is written; ``none`` where it has no value."""
    default = default_of(name)
    if name in CLIENT_DEFAULTS:
        return bool(default == shown)
    if shown == "none":
        has_none = default in (None, (), frozenset()) or getattr(default, "value", "") == "none"
        return has_none or name == "HOKUSAI_METRICS_FILE"
    return bool(_PARSERS[name][1](name, shown) == default)


def test_documented_defaults_are_those_of_the_code() -> None:
    """Each table of settings says what really holds when nothing is set."""
    pages = [path for path in CITED if path.endswith(".md")]
    rows = [(path, *row) for path in pages for row in _DEFAULT_ROW.findall(read(path))]
    assert {name for _path, name, _shown in rows} == {*_PARSERS, *CLIENT_DEFAULTS}
    assert set(CLIENT_DEFAULTS) == CLIENT_VARIABLES
    assert [row for row in rows if not is_default(row[1], row[2].strip("`"))] == []


def test_the_environment_file_shows_defaults() -> None:
    """Uncommenting a line of .env.example changes nothing, or, of a flag, turns it.

    What has no default, such as a URL, is shown by an example.
    """
    wrong = []
    for _comment, name, shown in _ENV_LINE.findall(read(".env.example")):
        default = default_of(name)
        if isinstance(default, bool):
            wrong += [name] if is_default(name, shown) else []
        elif not is_default(name, "none") and not is_default(name, shown):
            wrong.append(name)
    assert wrong == []


def test_the_compose_file_has_the_same_defaults() -> None:
    """A variable that is not in .env gets the code's own default."""
    given = _COMPOSE_DEFAULT.findall(read("docker-compose.yml"))
    assert given
    assert [name for name, shown in given if not is_default(name, shown)] == []
