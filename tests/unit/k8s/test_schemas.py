"""The manifests against the schemas of a real API server.

`rayservice_v1.json.gz` is the schema of RayService v1 from ray-project/kuberay v1.7.0 (Apache-2.0),
`helm-chart/kuberay-operator/crds/ray.io_rayservices.yaml`, unchanged but for its compression. Its only
validation rules in CEL are about `managedBy` and the GCS storage back end, which we do not set.
"""

import copy
from pathlib import Path
from typing import Any

import kubernetes_schema
import kubernetes_validate
import pytest

SCHEMA = kubernetes_schema.load(Path(__file__).with_name("rayservice_v1.json.gz"))
KUBERNETES = "1.36"


def test_rayservice(rayservice: dict[str, Any]) -> None:
    """The RayService has no field that KubeRay does not know, and every value has its type."""
    assert kubernetes_schema.complaints(SCHEMA, rayservice) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "rayClusterConfig", "rayVersoin"), "2.60.0"),
        (("spec", "rayClusterConfig", "workerGroupSpecs", 0, "maxReplicas"), "many"),
        (("spec", "rayClusterConfig", "headGroupSpec", "template", "spec", "containers", 0, "imagee"), "x"),
        (("spec", "rayClusterConfig", "authOptions", "mode"), "password"),
        (("spec", "serveConfigV2"), {"applications": []}),
    ],
    ids=["typo", "wrong type", "typo deep inside", "not in the list", "object for text"],
)
def test_mistakes_are_refused(rayservice: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    """One wrong field, however deep, makes the check complain."""
    broken = copy.deepcopy(rayservice)
    target: Any = broken
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value

    assert len(kubernetes_schema.complaints(SCHEMA, broken)) == 1


def test_core_objects(resources: list[dict[str, Any]]) -> None:
    """Every other object is valid for a current Kubernetes."""
    core = [resource for resource in resources if resource["kind"] != "RayService"]

    assert {resource["kind"] for resource in core} == {"NetworkPolicy", "PersistentVolumeClaim", "ServiceAccount"}
    for resource in core:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_pod_templates(pods: list[dict[str, Any]]) -> None:
    """The Pod templates are valid Pods."""
    for pod in pods:
        resource = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "x", **pod["metadata"]},
            "spec": pod["spec"],
        }

        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_pod_mistakes_are_refused(pods: list[dict[str, Any]]) -> None:
    """An unknown field of a Pod is refused."""
    spec = {**pods[0]["spec"], "securtyContext": {}}
    resource = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
