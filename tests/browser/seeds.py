"""What the pages show: 3 tokens, 6 models, 200 versions, two contributors, hostile text.

Written through the store, so that every decision and event is a real one.
"""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import event
from support.registry import METRIC, TOKEN, VALUE, create_model, create_version

IMAGE, TEXT, SALE = "IMG-DETECT", "NLP-001", "SALE-2026"
ANNA = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
BEN = "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B"
CLASSIFIER, DETECTOR, TUNED = "image-classifier", "edge-detector", "image-classifier-tuned"
LANGUAGE, FORECAST = "language-model", "sales-forecast"
HOSTILE = "<img src=x onerror=alert(1)>\" onfocus='alert(2)' & %2e {{ 7*7 }}"
HOSTILE_TAG = "</td></script><script>alert(3)</script>javascript:alert(4)"


def seed(store: Any) -> None:
    """Register all of it, the same each time."""
    # Nobody pulls the plug on a test's database, and 200 writes wait for the disk a minute.
    store.engine.dispose()
    event.listen(store.engine, "connect", lambda link, _: link.execute("PRAGMA synchronous=OFF"))
    chance = random.Random(7)
    _images(store, chance)
    _texts(store, chance)
    _sales(store, chance)


def _register(store: Any, name: str, token: str, metric: str, value: str, **tags: str) -> int:
    source = tags.pop("source", "s3://bucket/model")
    given = {TOKEN: token, METRIC: metric, VALUE: value, **tags}
    return int(create_version(store, name, given, source).version)


def _images(store: Any, chance: random.Random) -> None:
    best = 0.70
    for number in range(60):
        name = DETECTOR if number % 3 == 2 else CLASSIFIER
        value = best + chance.choice((-0.03, -0.01, 0.002, 0.004, 0.006, 0.012))
        if value >= best + 0.01:
            best = value
        who = chance.choice((ANNA, BEN))
        _register(store, name, IMAGE, "accuracy", f"{value:.4f}", contributor_address=who)
        if number == 30:
            latest = store.get_latest_versions(CLASSIFIER)[0]
            create_model(store, TUNED)
            store.copy_model_version(latest, TUNED)
    value = f"{best + 0.021:.4f}"
    _register(store, TUNED, IMAGE, "accuracy", value, previous_version="1", contributor=ANNA)
    for number in range(4):
        value = f"{best + 0.01 + number / 1000:.4f}"
        _register(store, CLASSIFIER, IMAGE, "accuracy", value, previous_version="12")
    store.set_registered_model_alias(CLASSIFIER, "champion", "20")
    store.set_registered_model_alias(CLASSIFIER, "challenger", "44")
    store.transition_model_version_stage(CLASSIFIER, 20, "Production", False)


def _texts(store: Any, chance: random.Random) -> None:
    best = 31.0
    for _number in range(79):
        value = best + chance.choice((0.4, 0.1, -0.004, -0.006, -0.2, 0.02))
        best = min(best, value)
        shares = f'[{{"address":"{ANNA}","weight":6000}},{{"address":"{BEN}","weight":4000}}]'
        tags = {"contributors": shares} if chance.random() < 0.5 else {}
        _register(store, LANGUAGE, TEXT, "perplexity", f"{value:.3f}", **tags)
    for value in ("0.61", "0.64", "0.70"):
        _register(store, LANGUAGE, TEXT, "team score", value)


def _sales(store: Any, chance: random.Random) -> None:
    best = 0.4
    for _number in range(50):
        value = best + chance.choice((0.02, 0.01, -0.002, -0.012))
        best = min(best, value)
        # Not payable: no address, so that its improvements are nobody's.
        _register(store, FORECAST, SALE, "rmse", f"{value:.4f}", contributor="the sales team")
    for value in ("0.9", "0.2"):
        tags = {"note": HOSTILE_TAG, "contributor": HOSTILE_TAG}
        _register(store, HOSTILE, SALE, "mae", value, **tags)
