"""Token ids.

Source: R1, specification section "Token ID Conventions".
"""

from __future__ import annotations

import re

from hokusai_mlflow_plugin.domain.errors import InvalidRequest, Violation

TOKEN_ID_TAG = "hokusai_token_id"
MAX_LENGTH = 64

_SHAPE = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+")


def is_token_id(value: str) -> bool:
    """Whether the whole string is a token id (R1)."""
    return len(value) <= MAX_LENGTH and _SHAPE.fullmatch(value) is not None


def is_token_prefix(value: str) -> bool:
    """Whether some token id begins with this string."""
    return value == "" or (
        len(value) <= MAX_LENGTH and re.fullmatch(r"[A-Z][A-Z0-9-]*", value) is not None
    )


def check_token_id(value: str) -> Violation | None:
    """The fault of a token id, or None.

    The message contains ``Token ID format invalid``, the value, what is allowed and, where
    upper-casing and hyphens would mend it, the mended id.
    """
    if is_token_id(value):
        return None
    suggestion = value.upper().replace("_", "-")
    hint = f" Did you mean '{suggestion}'?" if is_token_id(suggestion) else ""
    return Violation(
        TOKEN_ID_TAG,
        "token_id_invalid",
        f"Token ID format invalid: {shown(value)} in tag {TOKEN_ID_TAG}. Use at least two "
        "groups of upper-case ASCII letters and digits joined by single hyphens, beginning "
        f"with a letter, at most {MAX_LENGTH} characters, such as 'IMG-001'.{hint}",
    )


def require_token_id(token_id: str) -> None:
    """Refuse a parameter that is no token id.

    Raises:
        InvalidRequest: It breaks R1.
    """
    if violation := check_token_id(token_id):
        raise InvalidRequest(violation.message.replace(f" in tag {TOKEN_ID_TAG}", ""))


def shown(value: str, limit: int = 80) -> str:
    """A value as an error message quotes it: escaped, and cut where it is long."""
    return ascii(value) if len(value) <= limit else ascii(value[:limit]) + "…"
