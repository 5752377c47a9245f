"""Smoke test of an installed wheel: run it from a folder without the source, with ``python -I``.

It exits with status 0 where the wheel alone migrates a database, serves, enforces and lists.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

START_TIMEOUT_S = 120
TAGS = {"hokusai_token_id": "IMG-001", "benchmark_metric": "accuracy", "benchmark_value": "0.85"}


def main() -> None:
    import hokusai.core  # noqa: F401  # the client's import is part of the test
    import hokusai_mlflow_plugin

    package = Path(hokusai_mlflow_plugin.__file__).parent
    expect("site-packages" in package.parts, f"the package comes from {package}")
    expect((package / "migrations" / "env.py").is_file(), "the migrations are not in the wheel")
    expect((package / "py.typed").is_file(), "py.typed is not in the wheel")

    scripts = Path(sys.executable).parent
    run(scripts / "mlflow", "db", "upgrade", "sqlite:///hokusai.db")
    run(scripts / "hokusai-mlflow", "db", "upgrade", "sqlite:///hokusai.db")
    port, log = free_port(), Path("server.log")
    server = subprocess.Popen(
        [
            *(scripts / "mlflow", "server", "--app-name", "hokusai", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", "sqlite:///hokusai.db"),
            *("--registry-store-uri", "hokusai+sqlite:///hokusai.db"),
        ],
        env={**os.environ, "HOKUSAI_AUTO_MIGRATE": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        check(f"http://127.0.0.1:{port}/api/2.0", server)
    except SystemExit:
        print(log.read_text(errors="replace"))
        raise
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
    print(f"hokusai-mlflow-plugin {hokusai_mlflow_plugin.__version__}: the wheel works")


def check(api: str, server: subprocess.Popen[bytes]) -> None:
    wait_until_up(api.removesuffix("/api/2.0") + "/health", server)
    call(f"{api}/mlflow/registered-models/create", {"name": "smoke"})
    create = f"{api}/mlflow/model-versions/create"
    body = {"name": "smoke", "source": "s3://bucket/model"}
    call(create, {**body, "tags": as_list(TAGS)})
    status, answer = call(create, {**body, "tags": as_list({**TAGS, "hokusai_token_id": "img"})})
    expect(status == 400 and "Token ID format invalid" in answer["message"], f"{status} {answer}")
    status, answer = call(f"{api}/hokusai/model-versions/list-by-token?token_id=IMG-001")
    listed = [version["version"] for version in answer["model_versions"]]
    expect(status == 200 and listed == ["1"], f"{status} {answer}")
    check_pages(api.removesuffix("/api/2.0"))


def check_pages(root: str) -> None:
    """A page is made of the wheel's templates, and its style sheet is in the wheel, too."""
    page = requests.get(f"{root}/hokusai/token?token_id=IMG-001", timeout=60)
    expect(page.status_code == 200 and "smoke" in page.text, f"{page.status_code} {page.text}")
    found = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
    expect(len(found) == 1, f"style sheets: {found}")
    style = requests.get(root + found[0], timeout=60)
    expect(style.status_code == 200 and "--paper" in style.text, f"{found}: {style.status_code}")


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def call(url: str, body: object = None) -> tuple[int, dict]:
    response = requests.request("GET" if body is None else "POST", url, json=body, timeout=60)
    return response.status_code, response.json()


def wait_until_up(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        expect(server.poll() is None, "the server ended")
        expect(time.monotonic() < deadline, "the server did not start")
        try:
            return requests.get(url, timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(*command: str | Path) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(result.returncode == 0, f"{command}: {result.stdout}{result.stderr}")


def expect(condition: bool, failure: str) -> None:
    if not condition:
        sys.exit(f"smoke test: {failure}")


if __name__ == "__main__":
    main()
