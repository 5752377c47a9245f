"""The manifests for Kubernetes: its own schemas take them, and they fit together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from mlflow import environment_variables

from hokusai_mlflow_plugin.settings import _PARSERS

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSIONS = ("1.30", kubernetes_validate.latest_version())
SECRET = "registry-secrets"


def _documents(overlay: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each file of an overlay and of what it builds on, with each of its documents."""
    folder = FOLDER / overlay
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    yield folder, kustomization
    for name in kustomization["resources"]:
        if (folder / name).is_dir():
            yield from _documents(str((folder / name).resolve().relative_to(FOLDER)))
        else:
            for document in yaml.safe_load_all((folder / name).read_text()):
                yield folder, document


def _manifests() -> list[dict[str, Any]]:
    return [each for _folder, each in _documents("rewards") if each["kind"] != "Kustomization"]


def _pods() -> list[dict[str, Any]]:
    return [each["spec"]["template"] for each in _manifests() if "template" in each["spec"]]


def _containers() -> list[dict[str, Any]]:
    return [
        container
        for pod in _pods()
        for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]
    ]


def _generated() -> dict[str, dict[str, str]]:
    """The content of each ConfigMap."""
    found = {}
    for folder, document in _documents("rewards"):
        for generator in document.get("configMapGenerator", []):
            literals = dict(each.split("=", 1) for each in generator.get("literals", []))
            files = {name: (folder / name).read_text() for name in generator.get("files", [])}
            found[generator["name"]] = literals | files
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_take_each_manifest(version: str) -> None:
    """No field is misspelt, misplaced or of another type, on an old and a new Kubernetes."""
    for manifest in _manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_what_is_referred_to_is_there() -> None:
    """Each ConfigMap, key and label that something names exists; the Secret is the user's."""
    generated = _generated()
    for pod in _pods():
        for volume in pod["spec"]["volumes"]:
            assert volume.get("configMap", {"name": "registry-files"})["name"] in generated
    for container in _containers():
        for source in container.get("envFrom", []):
            assert source.get("secretRef", {"name": SECRET})["name"] == SECRET
            if "configMapRef" in source:
                assert source["configMapRef"]["name"] in generated
        for variable in container.get("env", []):
            taken = variable["valueFrom"]
            if "configMapKeyRef" in taken:
                reference = taken["configMapKeyRef"]
                assert reference["key"] in generated[reference["name"]]
            else:
                assert taken["secretKeyRef"]["name"] == SECRET
    labels = [pod["metadata"]["labels"] for pod in _pods()]
    for manifest in _manifests():
        selector = manifest["spec"].get("selector", {})
        selector = selector.get("matchLabels", selector)
        assert any(selector.items() <= each.items() for each in labels)


def test_settings_are_ones_that_somebody_reads() -> None:
    """A misspelt variable of MLflow's would be ignored without a word."""
    of_mlflow = {
        variable.name
        for variable in vars(environment_variables).values()
        if hasattr(variable, "name") and hasattr(variable, "type")
    }
    of_its_command = {  # click's own: the option's name after MLFLOW_
        "MLFLOW_BACKEND_STORE_URI",
        "MLFLOW_ARTIFACTS_DESTINATION",
        "MLFLOW_WORKERS",
    }
    named = {name for each in _generated().values() for name in each if name.isupper()}
    assert named <= of_mlflow | of_its_command | set(_PARSERS)
    assert {name for name in named if name.startswith("HOKUSAI_REWARD_")} <= set(
        _generated()["dispatcher-settings"]
    )


def test_pods_are_confined() -> None:
    """No root, no capabilities, no service links, no token of the cluster, bounded memory."""
    for pod in _pods():
        spec = pod["spec"]
        assert (spec["enableServiceLinks"], spec["automountServiceAccountToken"]) == (False, False)
        assert spec["securityContext"]["runAsNonRoot"] is True
    for container in _containers():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"memory"} <= set(container["resources"]["limits"])
