"""Settings: every ``HOKUSAI_*`` variable, parsed once; a bad value stops the start."""

from __future__ import annotations

import base64

import pytest

from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.settings import Policy, Settings, read_settings


def test_defaults():
    """Nothing needs to be set."""
    settings = read_settings({})
    assert settings.policy is Policy.STAGED
    assert settings.auto_migrate is True


def test_other_variables_are_not_looked_at():
    """Only the project's variables are settings, and those of its tests are not."""
    environ = {"HOME": "/", "HOKUSAI_TEST_MYSQL_URL": "x", "MLFLOW_TRACKING_URI": "y"}
    assert read_settings(environ) == read_settings({})


@pytest.mark.parametrize("service", ["HOKUSAI", "HOKUSAI_MLFLOW", "HOKUSAI_POLICY"])
def test_variables_of_a_kubernetes_service_are_passed_over(service):
    """Kubernetes sets these for a Service called ``hokusai``, whatever is in them."""
    environ = {
        f"{service}_SERVICE_HOST": "10.0.0.7",
        f"{service}_SERVICE_PORT": "5000",
        f"{service}_SERVICE_PORT_HTTP": "5000",
        f"{service}_PORT": "tcp://10.0.0.7:5000",
        f"{service}_PORT_5000_TCP": "tcp://10.0.0.7:5000",
        f"{service}_PORT_5000_TCP_PROTO": "tcp",
        f"{service}_PORT_5000_TCP_PORT": "5000",
        f"{service}_PORT_5000_TCP_ADDR": "10.0.0.7",
        f"{service}_PORT_53_UDP": "udp://10.0.0.7:53",
    }
    assert read_settings(environ) == read_settings({})


@pytest.mark.parametrize("name", ["HOKUSAI_PORTS", "HOKUSAI_PORT_X", "HOKUSAI_SERVICE", "HOKUSAI_"])
def test_what_only_looks_like_a_service_is_unknown(name):
    """Nothing else is passed over."""
    with pytest.raises(SettingsError, match="Unknown setting"):
        read_settings({name: "x"})


@pytest.mark.parametrize("policy", [policy.value for policy in Policy])
def test_policy(policy):
    """Each policy is named by its value."""
    assert read_settings({"HOKUSAI_POLICY": policy}).policy.value == policy


@pytest.mark.parametrize("policy", ["", "Staged", "off", "staged "])
def test_bad_policy(policy):
    """Another policy is refused with the ones that exist: never enforce less than was meant."""
    with pytest.raises(SettingsError, match=r"HOKUSAI_POLICY is .*staged.*strict"):
        read_settings({"HOKUSAI_POLICY": policy})


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("TRUE", True), ("1", True), ("false", False), ("0", False)]
)
def test_flag(text, value):
    """A flag is true or false, or 1 or 0."""
    assert read_settings({"HOKUSAI_AUTO_MIGRATE": text}).auto_migrate is value


@pytest.mark.parametrize("text", ["", "no", "off", "2"])
def test_bad_flag(text):
    """Any other text is refused."""
    with pytest.raises(SettingsError, match="HOKUSAI_AUTO_MIGRATE is"):
        read_settings({"HOKUSAI_AUTO_MIGRATE": text})


def test_unknown_setting():
    """A misspelt variable is refused, naming it and those that exist."""
    with pytest.raises(SettingsError, match=r"HOKUSAI_POLICI.*HOKUSAI_AUTO_MIGRATE"):
        read_settings({"HOKUSAI_POLICI": "strict"})


def test_process_environment(monkeypatch):
    """By default the process's own environment is read."""
    monkeypatch.setenv("HOKUSAI_POLICY", "strict")
    assert read_settings().policy is Policy.STRICT


SECRETS = "HOKUSAI_REWARD_WEBHOOK_SECRETS"
KEY = bytes(range(0xE0, 0x100))
STANDARD = base64.b64encode(KEY).decode()


def test_a_secret():
    """A secret is whsec_ and standard base64; two of them during a rotation."""
    both = f"whsec_{STANDARD},whsec_{STANDARD}"
    assert read_settings({SECRETS: both}).webhook_secrets == tuple(both.split(","))


@pytest.mark.parametrize(
    "text",
    [
        base64.urlsafe_b64encode(KEY).decode(),
        STANDARD.rstrip("="),
        STANDARD + "=",
        STANDARD[:10] + "." + STANDARD[10:],
        STANDARD[:-2] + "9=",  # bits after the last byte
        base64.b64encode(KEY[:23]).decode(),
        "",
    ],
)
def test_a_secret_that_could_be_read_in_two_ways(text):
    """Whatever a lenient decoder makes another key of is refused at the start."""
    assert base64.b64encode(KEY).decode() != text
    with pytest.raises(SettingsError, match="standard base64") as caught:
        read_settings({SECRETS: f"whsec_{text}"})
    assert text not in str(caught.value) or not text


@pytest.mark.parametrize(
    "text", ["proxy:3128", "socks5://proxy", "http://", "http://p/x", "http://["]
)
def test_bad_proxy(text):
    """A proxy is an http(s) URL without a path."""
    with pytest.raises(SettingsError, match="HOKUSAI_REWARD_WEBHOOK_PROXY is no proxy's URL"):
        read_settings({"HOKUSAI_REWARD_WEBHOOK_PROXY": text})


def test_a_proxys_password_is_not_shown():
    """Nor is it in what an error would print of the settings."""
    settings = read_settings({"HOKUSAI_REWARD_WEBHOOK_PROXY": "http://user:s3cret@proxy:3128"})
    assert settings.webhook_proxy == "http://user:s3cret@proxy:3128"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_bad_ca_file(tmp_path, content):
    """A file without certificates stops the start, and not the first delivery."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=r"HOKUSAI_REWARD_WEBHOOK_CA_FILE: .*ca\.pem"):
        read_settings({"HOKUSAI_REWARD_WEBHOOK_CA_FILE": str(path)})


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e300", "x", ""])
def test_bad_seconds(text):
    """Seconds are more than none and no more than a clock can add."""
    with pytest.raises(SettingsError, match="number of seconds"):
        read_settings({"HOKUSAI_REWARD_RETRY_CAP_S": text})


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "٣", 5000 * "9", ""])
def test_bad_count(text):
    """A count is a whole number that a column can hold."""
    with pytest.raises(SettingsError, match="whole number"):
        read_settings({"HOKUSAI_REWARD_MAX_ATTEMPTS": text})


def test_variables_of_the_client_are_passed_over():
    """A machine that serves may register, too."""
    assert read_settings({"HOKUSAI_COPY": "always", "HOKUSAI_COPY_EXPERIMENT": "x"}) == Settings()
