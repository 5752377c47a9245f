"""R4: keys of tags that some database may take for a ruled one."""

from __future__ import annotations

import pytest

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tag_keys import resembled, respelt_key

RULED = frozenset(("hokusai_token_id", "benchmark_value", "benchmark_metric"))


@pytest.mark.parametrize(
    ("key", "alike"),
    [
        ("hokusai_token_id", ()),
        ("HOKUSAI_TOKEN_ID", ("hokusai_token_id",)),
        ("hokusai_token_id ", ("hokusai_token_id",)),
        ("hokusai_token_ids", ()),
        ("hokusai_token_i", ()),
        ("hökusai_token_id", ("hokusai_token_id",)),  # an accent
        ("hokusai_token_ıd", ("hokusai_token_id",)),  # a letter that is Latin, without a part
        ("hokusai_token_id\u200b", ("hokusai_token_id",)),  # a blank of no width
        ("hokusai_token_id \u200b", ("hokusai_token_id",)),  # which hides a trailing blank
        ("hokusai_token_id\u0640", ("hokusai_token_id",)),  # a modifier: the Arabic tatweel
        ("benchmark_v\u1d78lue", ("benchmark_value",)),  # Cyrillic, but a modifier
        ("hokusai_token_id\x80", ("hokusai_token_id",)),  # a control character, which has no name
        ("hokusai_token_id\u0300", ("hokusai_token_id",)),  # an accent alone
        ("hokusai_token_\uff49d", ("hokusai_token_id",)),  # a letter of full width
        ("benchmark_\u0130", ("benchmark_metric", "benchmark_value")),
        ("be\u0130e", ()),  # one character is equal to three letters at most
        ("benchmark_v\u0430lue", ()),  # a Cyrillic letter
        ("benchmark_v値lue", ()),  # an ideograph
        ("benchmark_vあlue", ()),  # a letter of Hiragana
        ("benchmark_v가lue", ()),  # a syllable, which is made of letters
        ("\u0301", ()),
        ("ünrelated", ()),
    ],
)
def test_keys_that_are_asked_about(key, alike):
    """Those that differ by what some collation does not tell apart, and few others."""
    assert resembled(key, RULED) == alike


def test_several_are_in_order():
    """Of what could stand for two keys, both are asked about."""
    assert resembled("é" * 6, frozenset(("b" * 6, "a" * 7))) == ("a" * 7, "b" * 6)


def test_what_is_said():
    """The key, what the database takes it for, and the way out."""
    assert respelt_key("Benchmark_Value", ["benchmark_value", "other"]) == Violation(
        "Benchmark_Value",
        "tag_key_respelt",
        "This database takes tag key 'Benchmark_Value' for benchmark_value or other. Write "
        "benchmark_value or other as it is spelt.",
    )
