"""Signed notes: a text with Ed25519 signatures below it, as https://c2sp.org/signed-note says.

Keys are written as Go's ``golang.org/x/mod/sumdb/note`` writes them, so that other programs for
notes read them. A key's id names it in a signature; several keys may sign one note.

Source: R21.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hokusai_mlflow_plugin.domain.errors import InvalidKey, InvalidNote

PRIVATE = "PRIVATE+KEY+"
"""What the text of a signing key begins with."""
_ED25519 = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4
_SIGNATURE_LEAD = "\u2014 "  # an em dash, by the specification
_NAME = re.compile(r"[^\s+]{1,100}")
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_HOW_TO = "Keys are made by 'hokusai-mlflow rewards keygen'."


@dataclass(frozen=True)
class PublicKey:
    """With it anybody checks what its signing key signed."""

    name: str
    raw: bytes
    """32 bytes."""

    @property
    def id(self) -> bytes:
        """Four bytes that name it in a signature."""
        content = self.name.encode() + b"\n" + _ED25519 + self.raw
        return hashlib.sha256(content).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_encoded(_ED25519 + self.raw)}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether a signature is that of its signing key under this text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """Signs notes."""

    name: str
    seed: bytes = field(repr=False)
    """32 bytes; a secret."""

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, self._private.public_key().public_bytes_raw())

    @property
    def secret_text(self) -> str:
        """The key itself, as :func:`read_signing_key` takes it."""
        return f"{PRIVATE}{self.name}+{self.public.id.hex()}+{_encoded(_ED25519 + self.seed)}"

    def signature_line(self, text: str) -> str:
        """The line that goes below a text."""
        signature = self.public.id + self._private.sign(text.encode())
        return f"{_SIGNATURE_LEAD}{self.name} {_encoded(signature)}\n"

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def new_key(name: str) -> SigningKey:
    """A signing key that was never there before.

    Raises:
        InvalidKey: The name is none of a key.
    """
    if not name.isascii() or not name.isprintable() or _NAME.fullmatch(name) is None:
        raise InvalidKey(
            "The name of a key is 1 to 100 ASCII characters without blanks and '+', best the name "
            "of the server that signs, e.g. registry.example."
        )
    return SigningKey(name, secrets.token_bytes(_KEY_BYTES))


def read_public_key(text: str) -> PublicKey:
    """The key of a text such as ``registry.example+1a2b3c4d+AX…``.

    Raises:
        InvalidKey: It is none.
    """
    if text.startswith(PRIVATE):
        raise InvalidKey("That is a signing key. Whoever verifies needs the public one alone.")
    name, key_id, raw = _key_parts(text, "public")
    key = PublicKey(name, raw)
    if key.id.hex() != key_id:
        raise InvalidKey("A public key does not fit its own id: it was mistyped or cut.")
    return key


def read_signing_key(text: str) -> SigningKey:
    """The key of a text such as ``PRIVATE+KEY+registry.example+1a2b3c4d+AX…``.

    Raises:
        InvalidKey: It is none; the message does not show it.
    """
    if not text.startswith(PRIVATE):
        raise InvalidKey(f"A signing key begins with {PRIVATE}. {_HOW_TO}")
    name, key_id, seed = _key_parts(text.removeprefix(PRIVATE), "signing")
    key = SigningKey(name, seed)
    if key.public.id.hex() != key_id:
        raise InvalidKey("A signing key does not fit its own id: it was mistyped or cut.")
    return key


def sign(text: str, keys: Sequence[SigningKey]) -> str:
    """A note: the text, an empty line, a line for each key."""
    return f"{text}\n{''.join(key.signature_line(text) for key in keys)}"


def open_note(note: str, keys: Collection[PublicKey]) -> tuple[str, list[PublicKey]]:
    """The text of a note, and which of these keys signed it.

    Signatures of other keys are passed over, as the specification wants it.

    Raises:
        InvalidNote: It is no note, or a signature that names one of the keys is not the key's.
    """
    text, separator, lines = note.rpartition("\n\n")
    text += "\n"
    if not separator or not lines.endswith("\n") or _CONTROLS.search(note):
        raise InvalidNote("This is no signed note: a text, an empty line, lines with signatures.")
    by_name = {(key.name, key.id): key for key in keys}
    signers = []
    for name, signature in _signatures(lines):
        key = by_name.get((name, signature[:_ID_BYTES]))
        if key is None:
            continue
        if not key.verifies(text, signature[_ID_BYTES:]):
            raise InvalidNote(f"The signature of {key} does not fit: the note was edited.")
        signers.append(key)
    return text, signers


def _signatures(lines: str) -> Iterator[tuple[str, bytes]]:
    for line in lines.removesuffix("\n").split("\n"):
        name, separator, encoded = line.removeprefix(_SIGNATURE_LEAD).partition(" ")
        signature = _decoded(encoded)
        is_signature = line.startswith(_SIGNATURE_LEAD) and separator
        if not is_signature or _NAME.fullmatch(name) is None or len(signature) <= _ID_BYTES:
            raise InvalidNote("A line below the note's text is no signature.")
        yield name, signature


def _key_parts(text: str, kind: str) -> tuple[str, str, bytes]:
    """Name, id and 32 bytes of a key's text."""
    name, _plus, rest = text.partition("+")
    key_id, _plus, encoded = rest.partition("+")
    raw = _decoded(encoded)
    if _NAME.fullmatch(name) is None or len(raw) != 1 + _KEY_BYTES or raw[:1] != _ED25519:
        raise InvalidKey(f"A {kind} key is NAME+ID+BASE64, of an Ed25519 key. {_HOW_TO}")
    return name, key_id, raw[1:]


def _decoded(text: str) -> bytes:
    """The bytes of a text in base64; none where another text would stand for the same bytes."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    return content if _encoded(content) == text else b""


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
