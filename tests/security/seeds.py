"""What the servers of these tests hold: two models under one token, and one under its own."""

from __future__ import annotations

from security.servers import Auth, Server
from sqlalchemy import create_engine
from support.checkpoints import sign_ledger

TOKEN = "IMG-001"
OTHER_TOKEN = "SEC-007"
FIRST, SECOND, SECRET = "first", "second", "secret"
CONTRIBUTOR = "0x742d35cc6634c0532925a3b844bc9e7595f5b4e1"


def seed(server: Server, auth: Auth | None = None) -> None:
    """Register the versions, in an order in which the second model improves on the first.

    Then the ledger is signed.
    """
    for name in (FIRST, SECOND, SECRET):
        _post(server, "registered-models/create", {"name": name}, auth)
    register(server, FIRST, TOKEN, "0.80", auth)
    register(server, FIRST, TOKEN, "0.82", auth, contributor_address=CONTRIBUTOR)
    register(server, SECOND, TOKEN, "0.84", auth, contributor_address=CONTRIBUTOR)
    register(server, SECOND, TOKEN, "0.83", auth)
    register(server, SECRET, OTHER_TOKEN, "0.50", auth)
    register(server, SECRET, OTHER_TOKEN, "0.60", auth, contributor_address=CONTRIBUTOR)
    declared = {"token_id": TOKEN, "metrics": ["accuracy"], "publishers": ["reader", "leaver"]}
    answer = server.post("hokusai/tokens/declare", declared, auth)
    assert answer.status_code == 200, answer.text
    engine = create_engine(server.database_uri)
    sign_ledger(engine)
    engine.dispose()


def register(
    server: Server, name: str, token_id: str, value: str, auth: Auth | None = None, **tags: str
) -> None:
    """One tokenised version."""
    all_tags = {
        "hokusai_token_id": token_id,
        "benchmark_metric": "accuracy",
        "benchmark_value": value,
        **tags,
    }
    listed = [{"key": key, "value": text} for key, text in all_tags.items()]
    body = {"name": name, "source": "s3://bucket/model", "tags": listed}
    _post(server, "model-versions/create", body, auth)


def _post(server: Server, path: str, body: object, auth: Auth | None) -> None:
    answer = server.post(f"mlflow/{path}", body, auth)
    assert answer.status_code == 200, answer.text
