"""R12: which version a version improves on."""

from __future__ import annotations

import pytest

from hokusai_mlflow_plugin.domain.lineage import (
    Parent,
    VersionKey,
    copied_from,
    named_previous,
    parent_of,
)

ME = VersionKey("model", 5)
TWO = VersionKey("model", 2)
PRECEDING = VersionKey("model", 4)
ORIGIN = VersionKey("other", 3)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("models:/other/3", ORIGIN),
        ("models:///other/3", ORIGIN),
        ("models:/a%20b/1", VersionKey("a b", 1)),
        ("models:/a b/1", VersionKey("a b", 1)),
        ("models:/100%25/1", VersionKey("100%", 1)),
        ("models:/ü/1", VersionKey("ü", 1)),
    ],
)
def test_copy_source(source, key):
    """MLflow writes the origin of a copy as ``models:/NAME/VERSION``."""
    assert copied_from(source) == key


@pytest.mark.parametrize(
    "source",
    [
        None,
        "",
        "s3://b/models:/a/1",
        "models:/a",
        "models:/a/Production",
        "models:/a@champion",
        "models:/m-0123456789abcdef",
        "models:/a/1/x",
        "models:/a/-1",
        "models:/a/1\n",
        "models:/a/" + 30 * "9",
        "runs:/a/1",
    ],
)
def test_other_source(source):
    """Any other source is no version's."""
    assert copied_from(source) is None


@pytest.mark.parametrize("text", ["2", "1", "4"])
def test_named_previous(text):
    """Tag ``previous_version`` names an older version of the same model."""
    assert named_previous({"previous_version": text}, ME) == VersionKey("model", int(text))


@pytest.mark.parametrize(
    "text", ["", "0", "5", "6", "-1", "01", "2.0", "v2", " 2", "2\n", "٢", 30 * "9"]
)
def test_no_previous(text):
    """Its own number, a newer one, or anything but a number names nothing."""
    assert named_previous({"previous_version": text}, ME) is None


def test_previous_version_comes_first():
    """The tag wins over the origin of a copy and the preceding version."""
    parent = parent_of(
        ME,
        {"previous_version": "2"},
        copied_from("models:/other/3"),
        PRECEDING,
        frozenset({TWO, ORIGIN}),
    )
    assert parent == Parent("model", 2, "previous_version")


def test_copy_comes_second():
    """The origin of a copy wins over the preceding version, and over a tag without a live one."""
    tags = {"previous_version": "2"}
    parent = parent_of(ME, tags, copied_from("models:/other/3"), PRECEDING, frozenset({ORIGIN}))
    assert parent == Parent("other", 3, "copy")


def test_preceding_comes_last():
    """Without a tag or a live origin it is the tokenised version before it."""
    assert parent_of(ME, {}, copied_from("models:/other/3"), PRECEDING, frozenset()) == Parent(
        "model", 4, "preceding"
    )


def test_first_version_has_no_parent():
    """The first version improves on nothing."""
    assert parent_of(ME, {}, copied_from("s3://b/m"), None, frozenset()) is None


def test_no_version_is_its_own_parent():
    """A source that names the version itself is no origin."""
    assert parent_of(ME, {}, copied_from("models:/model/5"), None, frozenset({ME})) is None
