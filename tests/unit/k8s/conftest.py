"""The manifests of k8s/base."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
BASE = ROOT / "k8s" / "base"


@pytest.fixture
def resources() -> list[dict[str, Any]]:
    """Every object that the kustomization lists."""
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))
    texts = [(BASE / name).read_text(encoding="utf-8") for name in kustomization["resources"]]
    return [resource for text in texts for resource in yaml.safe_load_all(text)]


@pytest.fixture
def rayservice(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """The one RayService."""
    (found,) = [resource for resource in resources if resource["kind"] == "RayService"]
    return found


@pytest.fixture
def cluster(rayservice: dict[str, Any]) -> dict[str, Any]:
    """The Ray cluster inside the RayService."""
    config: dict[str, Any] = rayservice["spec"]["rayClusterConfig"]
    return config


@pytest.fixture
def pods(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    """The Pod templates of the head and of every worker group."""
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"] for group in groups]
