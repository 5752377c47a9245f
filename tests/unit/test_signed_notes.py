"""Signed notes and the checkpoints in them (R21)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint, read_checkpoint
from hokusai_mlflow_plugin.domain.errors import InvalidKey, InvalidNote
from hokusai_mlflow_plugin.domain.signed_notes import (
    SigningKey,
    new_key,
    open_note,
    read_public_key,
    read_signing_key,
    sign,
)

# The published example of golang.org/x/mod/sumdb/note.
GO_SIGNING = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    f"{GO_TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgK"
    "vqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

CHECKPOINT = Checkpoint("54fcf47f-f11c-4329-b75a-8826af30de28", 42, "ab" * 32, 1795718276937)
KEY = SigningKey("registry.example", bytes(32))
OTHER = SigningKey("registry.example", bytes(31) + b"\1")


def test_notes_are_those_of_other_programs() -> None:
    """Keys and signatures are those of Go's implementation, to the byte."""
    key = read_signing_key(GO_SIGNING)
    assert str(key.public) == GO_PUBLIC
    assert key.secret_text == GO_SIGNING
    assert sign(GO_TEXT, [key]) == GO_NOTE
    assert open_note(GO_NOTE, [read_public_key(GO_PUBLIC)]) == (GO_TEXT, [key.public])


def test_a_checkpoint_as_it_is_signed() -> None:
    """Origin, size, hash in base64 and time, each on its line."""
    assert CHECKPOINT.text() == (
        "hokusai-ledger/54fcf47f-f11c-4329-b75a-8826af30de28\n"
        "42\n"
        "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n"
        "timestamp 1795718276937\n"
    )
    assert read_checkpoint(CHECKPOINT.text()) == CHECKPOINT
    assert read_checkpoint(CHECKPOINT.text() + "of a later release\n") == CHECKPOINT


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("hokusai-ledger/", "go.sum database/"),
        lambda text: text.replace("\n42\n", "\n042\n"),
        lambda text: text.replace("\n42\n", "\n0\n"),
        lambda text: text.replace("\n42\n", "\n٤٢\n"),
        lambda text: text.replace("6s=", "6sqq"),
        lambda text: text.replace("6s=", "6t="),
        lambda text: text.replace("timestamp ", "timestamp 0"),
        lambda text: text.replace("timestamp ", "time "),
        lambda text: text + "\n",
        lambda text: text.rstrip("\n"),
        lambda _text: "",
    ],
)
def test_another_text_is_no_checkpoint(edit) -> None:
    """What has another form is refused, and not guessed at."""
    with pytest.raises(InvalidNote, match=r"^The note is not about a reward ledger\.$"):
        read_checkpoint(edit(CHECKPOINT.text()))


@given(st.data())
def test_an_edited_note_is_refused(data) -> None:
    """Whichever character of a note is another one, it is not taken for what was signed."""
    note = sign(CHECKPOINT.text(), [KEY])
    place = data.draw(st.integers(0, len(note) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda c: c != note[place]))
    edited = note[:place] + character + note[place + 1 :]
    try:
        _text, signers = open_note(edited, [KEY.public])
    except InvalidNote:
        return
    assert signers == []  # the signature names another key now


def test_two_keys_sign_during_a_rotation() -> None:
    """Who knows either one verifies the note; the same name does not make the same key."""
    note = sign(CHECKPOINT.text(), [KEY, OTHER])
    for key in (KEY, OTHER):
        assert open_note(note, [key.public]) == (CHECKPOINT.text(), [key.public])
    assert open_note(note, [OTHER.public, KEY.public])[1] == [KEY.public, OTHER.public]
    assert open_note(note, [new_key("registry.example").public])[1] == []
    broken = note.replace("\n42\n", "\n43\n")
    with pytest.raises(InvalidNote, match="was edited"):
        open_note(broken, [OTHER.public])


SIGNED = sign(CHECKPOINT.text(), [KEY])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        CHECKPOINT.text(),
        CHECKPOINT.text() + "\n",
        SIGNED.rstrip("\n"),
        SIGNED.replace("\n", "\r\n"),
    ],
)
def test_what_is_no_note(note) -> None:
    """A text without signatures, or with other line ends."""
    with pytest.raises(InvalidNote, match=r"^This is no signed note: a text, an empty line, lines"):
        open_note(note, [KEY.public])


@pytest.mark.parametrize(
    "note",
    [
        SIGNED.replace("— ", "- "),
        SIGNED.replace("— ", ""),
        SIGNED + "— registry.example AAAA\n",
        SIGNED + "— registry.example AAAAAA==\n",  # an id and no signature
        SIGNED + "— registry.example ****\n",
        SIGNED + "— registry+example AAAAAAA=\n",
        SIGNED + "— registry.example\n",
        GO_NOTE.replace("AM=", "AN="),
    ],
)
def test_what_is_no_signature(note) -> None:
    """A line that names no key, or holds nothing that could be one's signature."""
    with pytest.raises(InvalidNote, match=r"^A line below the note's text is no signature\.$"):
        open_note(note, [KEY.public])


def test_a_text_with_an_empty_line() -> None:
    """The last one divides it from the signatures."""
    text = "one\n\nother\n"
    assert open_note(sign(text, [KEY]), [KEY.public]) == (text, [KEY.public])


def test_keys_survive_being_written() -> None:
    """A new key is another one each time, and is read back from its text."""
    first, second = new_key("registry.example"), new_key("registry.example")
    assert first != second
    for key in (first, second):
        assert read_signing_key(key.secret_text) == key
        assert read_public_key(str(key.public)) == key.public
        assert key.secret_text not in repr(key)
        assert repr(key.seed) not in repr(key)


HOW_TO = "Keys are made by 'hokusai-mlflow rewards keygen'."
MISFIT = "key does not fit its own id: it was mistyped or cut."
NO_PUBLIC_KEY = f"A public key is NAME+ID+BASE64, of an Ed25519 key. {HOW_TO}"
NO_SIGNING_KEY = f"A signing key is NAME+ID+BASE64, of an Ed25519 key. {HOW_TO}"


@pytest.mark.parametrize("name", ["", "two words", "a+b", "ä", "a\n", "x" * 101])
def test_names_that_no_key_has(name) -> None:
    """A name stands between blanks and plus signs, so that it has none itself."""
    with pytest.raises(InvalidKey) as refusal:
        new_key(name)
    assert str(refusal.value) == (
        "The name of a key is 1 to 100 ASCII characters without blanks and '+', best the name of "
        "the server that signs, e.g. registry.example."
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", NO_PUBLIC_KEY),
        ("registry.example", NO_PUBLIC_KEY),
        (
            GO_SIGNING,
            "That is a signing key. Whoever verifies needs the public one alone.",
        ),
        (GO_PUBLIC.replace("c74f20a3", "c74f20a4"), f"A public {MISFIT}"),
        (GO_PUBLIC.replace("Peter", "Paul"), f"A public {MISFIT}"),
        (GO_PUBLIC[:-4], NO_PUBLIC_KEY),
        (GO_PUBLIC.replace("+AR", "+BR"), NO_PUBLIC_KEY),
        (GO_PUBLIC + "\n", NO_PUBLIC_KEY),
    ],
)
def test_what_is_no_public_key(text, sentence) -> None:
    """A key that was mistyped or cut does not fit the id in it."""
    with pytest.raises(InvalidKey) as refusal:
        read_public_key(text)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f"A signing key begins with PRIVATE+KEY+. {HOW_TO}"),
        (GO_PUBLIC, f"A signing key begins with PRIVATE+KEY+. {HOW_TO}"),
        (GO_SIGNING.replace("c74f20a3", "c74f20a4"), f"A signing {MISFIT}"),
        (GO_SIGNING[:-4], NO_SIGNING_KEY),
    ],
)
def test_what_is_no_signing_key(text, sentence) -> None:
    """It is refused, and the message does not repeat it."""
    with pytest.raises(InvalidKey) as refusal:
        read_signing_key(text)
    assert str(refusal.value) == sentence
    assert "AYEKFALV" not in str(refusal.value)
