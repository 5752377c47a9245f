"""R1: token ids."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import (
    check_token_id,
    is_token_id,
    is_token_prefix,
    require_token_id,
    shown,
)

LETTERS = set(string.ascii_uppercase)
LETTERS_AND_DIGITS = LETTERS | set(string.digits)

VALID = ["MSG-AI", "SENT-001", "IMG-DETECT", "A-1", "A1-B2-C3", "X-0", "A-" + 62 * "B"]
INVALID = [
    "",
    "msg_ai",
    "msg-ai",
    "Msg-AI",
    "MSGAI",
    "MSG AI",
    "MSG -AI",
    "123-MSG",
    "-MSG",
    "MSG-",
    "MSG--AI",
    "MSG_AI",
    "MSG-AI\n",
    "\nMSG-AI",
    " MSG-AI",
    "MSG-AI ",
    "MSG-AI\x00",
    "MSG–AI",  # an en dash
    "ＭＳＧ-AI",  # full-width letters
    "MSG-٣",  # an Arabic digit
    "ÄÖ-AI",
    "MSG-AI/2",
    "MSG-AI%",
    "A-" + 63 * "B",
]


@pytest.mark.parametrize("token_id", VALID)
def test_valid_token_id(token_id):
    """Groups of upper-case ASCII letters and digits, joined by hyphens, at most 64 characters."""
    assert is_token_id(token_id)
    assert check_token_id(token_id) is None


@pytest.mark.parametrize("token_id", INVALID)
def test_invalid_token_id(token_id):
    """Anything else is refused, with the text that the specification's error handling looks for."""
    violation = check_token_id(token_id)
    assert violation is not None
    assert (violation.key, violation.code) == ("hokusai_token_id", "token_id_invalid")
    assert "Token ID format invalid" in violation.message
    assert shown(token_id) in violation.message
    assert "upper-case ASCII" in violation.message


@pytest.mark.parametrize(
    ("token_id", "suggestion"),
    [("msg_ai", "MSG-AI"), ("msg-ai", "MSG-AI"), ("Img_Detect_2", "IMG-DETECT-2")],
)
def test_suggestion(token_id, suggestion):
    """Where upper-casing and hyphens make the id valid, the message suggests that."""
    assert f"Did you mean '{suggestion}'?" in check_token_id(token_id).message


@pytest.mark.parametrize("token_id", ["MSGAI", "MSG AI", "123-msg", "msg__ai", "msg_ai\n", "ß-1é"])
def test_no_suggestion(token_id):
    """Nothing is suggested that would be refused as well."""
    assert check_token_id(token_id).message.endswith("such as 'IMG-001'.")


def test_a_parameter_is_no_tag():
    """What is asked for by a token id is told what is wrong with it, and of no tag."""
    require_token_id("IMG-001")
    with pytest.raises(InvalidRequest, match=r"^Token ID format invalid: 'img_001'\. Use at "):
        require_token_id("img_001")


def test_long_value_is_cut():
    """A message never quotes more than 80 characters of what it was given, nor raw ones."""
    message = check_token_id(10_000 * "ü\n").message
    assert len(message) < 1000
    assert "\n" not in message
    assert message.isascii() or "…" in message


def oracle(text: str) -> bool:
    """R1, read character by character."""
    groups = text.split("-")
    return (
        len(text) <= 64
        and len(groups) >= 2
        and all(group and set(group) <= LETTERS_AND_DIGITS for group in groups)
        and text[0] in LETTERS
    )


@given(st.text(alphabet="AZ09az-_ \nＭ٣", max_size=70) | st.from_regex(r"[A-Z0-9-]{1,70}"))
@example("A-" + 62 * "9")
@example("A-" + 63 * "9")
def test_agrees_with_the_rule(text):
    """No string is accepted that the rule refuses, nor the other way round."""
    assert is_token_id(text) is oracle(text)


@given(st.from_regex(r"[A-Z][A-Z0-9]{0,5}(-[A-Z0-9]{1,5}){1,3}", fullmatch=True))
@example("A-" + 62 * "9")
def test_every_beginning_of_an_id_is_a_prefix(token_id):
    """Tokens can be listed by whatever their ids begin with."""
    assert all(is_token_prefix(token_id[:length]) for length in range(len(token_id) + 1))


@pytest.mark.parametrize("prefix", ["a", "-", "1", "A_", "A%", "A\n", "Ａ", 65 * "A"])
def test_no_prefix(prefix):
    """A prefix with which no id begins is told apart from one that merely has no tokens."""
    assert not is_token_prefix(prefix)


def test_a_message_quotes_eighty_characters():
    """A value that is longer is cut there, and seen to be cut."""
    assert shown("x" * 80) == f"'{'x' * 80}'"
    assert shown("x" * 81) == f"'{'x' * 80}'…"
