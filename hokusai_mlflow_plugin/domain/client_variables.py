"""Environment variables of the client, which a server passes over where it finds them."""

COPY = "HOKUSAI_COPY"
COPY_EXPERIMENT = "HOKUSAI_COPY_EXPERIMENT"

CLIENT_VARIABLES = frozenset((COPY, COPY_EXPERIMENT))
