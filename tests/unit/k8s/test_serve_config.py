"""The Serve configuration inside the RayService against the configuration that it is rendered from."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.cluster import rendered
from app.config import DarkroomSettings, load_settings

ROOT = Path(__file__).parents[3]
CONFIG = Path("configs/production.yaml")


@pytest.fixture
def settings() -> DarkroomSettings:
    """The configuration that the image serves."""
    return load_settings(ROOT / CONFIG)


@pytest.fixture
def serve_config(rayservice: dict[str, Any]) -> dict[str, Any]:
    """The Serve configuration, as KubeRay reads it."""
    parsed: dict[str, Any] = yaml.safe_load(rayservice["spec"]["serveConfigV2"])
    return parsed


def test_no_drift(settings: DarkroomSettings) -> None:
    """Rendering again changes nothing; when this fails, run `make generated`."""
    manifest = (ROOT / "k8s/base/rayservice.yaml").read_text(encoding="utf-8")

    assert rendered(manifest, config=CONFIG, settings=settings) == manifest


def test_models_fit_into_their_pods(settings: DarkroomSettings, cluster: dict[str, Any]) -> None:
    """Each model replica fits into one GPU Pod, and there may be as many Pods as replicas."""
    (group,) = [group for group in cluster["workerGroupSpecs"] if group["groupName"] == "gpu"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]

    for variant in settings.variants.values():
        assert variant.num_gpus <= int(limits["nvidia.com/gpu"])
        assert variant.num_cpus <= int(limits["cpu"])
        assert variant.autoscaling.max_replicas <= group["maxReplicas"]


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_ray_accepts_it(serve_config: dict[str, Any]) -> None:
    """Ray's own schema accepts the Serve configuration."""
    from ray.serve.schema import ServeDeploySchema

    (application,) = ServeDeploySchema.model_validate(serve_config).applications

    assert application.import_path == "deployments.graph:build"


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_the_graph_has_these_deployments(serve_config: dict[str, Any], settings: DarkroomSettings) -> None:
    """The graph that the image builds has exactly the deployments that the manifest names."""
    from ray.serve._private.build_app import build_app

    from deployments.graph import wire

    built = build_app(wire(settings), name="darkroom")
    (application,) = serve_config["applications"]

    assert {each.name for each in built.deployments} == {each["name"] for each in application["deployments"]}
