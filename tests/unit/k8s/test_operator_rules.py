"""Rules that no schema knows: those of the KubeRay operator, restated, and our own."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
BASE = ROOT / "k8s" / "base"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def containers(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every container of every Pod template."""
    return [container for pod in pods for container in pod["spec"]["containers"]]


def test_name(rayservice: dict[str, Any]) -> None:
    """The name is a DNS label of at most 47 characters, so that names made from it stay valid."""
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?", rayservice["metadata"]["name"])


def test_upgrade_strategy(rayservice: dict[str, Any]) -> None:
    """The operator knows the upgrade strategy, and the cluster inside does not name another."""
    known = {"NewCluster", "NewClusterWithIncrementalUpgrade", "None"}

    assert rayservice["spec"]["upgradeStrategy"]["type"] in known
    assert "upgradeStrategy" not in rayservice["spec"]["rayClusterConfig"]


def test_worker_groups(cluster: dict[str, Any]) -> None:
    """Groups have different names, and no more replicas at least than at most."""
    groups = cluster["workerGroupSpecs"]

    assert len({group["groupName"] for group in groups}) == len(groups)
    assert all(0 <= group["minReplicas"] <= group["maxReplicas"] for group in groups)


def test_autoscaler_restarts(cluster: dict[str, Any], pods: list[dict[str, Any]]) -> None:
    """Autoscaler v2 replaces Pods itself, so none restarts its containers."""
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert all(pod["spec"].get("restartPolicy", "Never") == "Never" for pod in pods)


def test_resources_stand_in_one_place(cluster: dict[str, Any]) -> None:
    """Resources and labels stand in the Pod template alone, not in start parameters or the group."""
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert not {"labels", "resources", "memory", "num-gpus"} & group["rayStartParams"].keys()
        assert not {"labels", "resources"} & group.keys()


def test_feature_gates(cluster: dict[str, Any]) -> None:
    """Nothing stands in the manifest that an operator with default feature gates refuses."""
    assert not {"networkPolicy", "tlsOptions", "historyServerOptions"} & cluster.keys()


def test_head_does_not_work(cluster: dict[str, Any]) -> None:
    """Ray places no replica on the head."""
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_one_version_of_ray(cluster: dict[str, Any]) -> None:
    """The cluster, the image and the requirement name the same Ray."""
    (pinned,) = [need.removeprefix("ray[serve]==") for need in PROJECT["dependencies"] if need.startswith("ray[")]
    base = re.search(r"ARG BASE=rayproject/ray:([\d.]+)", (ROOT / "k8s/image/Dockerfile").read_text(encoding="utf-8"))

    assert base is not None
    assert cluster["rayVersion"] == base[1] == pinned


def test_one_version_of_darkroom(containers: list[dict[str, Any]]) -> None:
    """Every Pod runs the image of this version, and so does the kustomization."""
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))

    assert {container["image"] for container in containers} == {f"darkroom:{PROJECT['version']}"}
    assert [image["newTag"] for image in kustomization["images"]] == [PROJECT["version"]]


def test_grace_is_longer_than_the_drain(pods: list[dict[str, Any]], containers: list[dict[str, Any]]) -> None:
    """Kubernetes waits longer than Ray drains, so that no picture is cut off."""
    drains = [_environment(container)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] for container in containers]
    graces = [pod["spec"]["terminationGracePeriodSeconds"] for pod in pods]

    assert all(grace >= int(drain) + 15 for grace, drain in zip(graces, drains, strict=True))


def test_every_pod_has_the_switches_of_haproxy(containers: list[dict[str, Any]]) -> None:
    """The three switches that belong together stand on every Pod."""
    for container in containers:
        environment = _environment(container)

        assert environment["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
        assert environment["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
        assert environment["RAY_SERVE_USE_GRPC_BY_DEFAULT"] == "1"


def test_least_privilege(pods: list[dict[str, Any]], containers: list[dict[str, Any]]) -> None:
    """No Pod runs as root, gains privileges, keeps a capability or writes to its image."""
    for pod in pods:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}


def test_workers_hold_no_token(cluster: dict[str, Any]) -> None:
    """Worker Pods carry no credentials for the API server."""
    specs = [group["template"]["spec"] for group in cluster["workerGroupSpecs"]]

    assert all(spec["automountServiceAccountToken"] is False for spec in specs)


def test_memory_is_reserved(containers: list[dict[str, Any]]) -> None:
    """What a container asks for is what it may use, so that Ray's view of the node is true."""
    assert all(container["resources"]["requests"] == container["resources"]["limits"] for container in containers)


def _environment(container: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}
