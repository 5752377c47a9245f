"""A client that registers a model and kills itself, or is interrupted, at one of its requests.

``python killed_client.py MODEL_URI NAME REQUEST SIGNAL``: the number of the request counts from 1.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import mlflow
import requests

_uri, _name, _request, _signal = sys.argv[1:]
_lock = threading.Lock()
_sent = 0
_send = requests.Session.send


def send(*args: Any, **kwargs: Any) -> Any:
    """As ``requests`` sends; but before the request that was named comes the signal."""
    global _sent  # noqa: PLW0603
    with _lock:
        _sent += 1
        reached = _sent == int(_request)
    if reached:
        os.kill(os.getpid(), signal.Signals[_signal])
    return _send(*args, **kwargs)


# A shell that starts the tests in the background has it ignored, here too.
signal.signal(signal.SIGINT, signal.default_int_handler)
requests.Session.send = send  # type: ignore[method-assign]
mlflow.register_model(_uri, _name)
