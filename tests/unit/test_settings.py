"""Settings: every ``HOKUSAI_*`` variable, parsed once; a bad value stops the start."""

from __future__ import annotations

import pytest

from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.settings import Policy, read_settings


def test_defaults():
    """Nothing needs to be set."""
    settings = read_settings({})
    assert settings.policy is Policy.STAGED
    assert settings.auto_migrate is True


def test_other_variables_are_not_looked_at():
    """Only the project's variables are settings, and those of its tests are not."""
    environ = {"HOME": "/", "HOKUSAI_TEST_MYSQL_URL": "x", "MLFLOW_TRACKING_URI": "y"}
    assert read_settings(environ) == read_settings({})


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
