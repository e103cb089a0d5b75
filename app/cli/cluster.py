"""`darkroom render`: the Serve configuration inside a RayService, made from a Darkroom configuration."""

import re
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from app.autoscaling.live.fleet import UPSCALER, model_deployment
from app.config import DarkroomSettings, load_settings
from app.errors import ConfigurationError

PRODUCTION = Path("configs/production.yaml")
REQUEST_TIMEOUT_S = 600
APPLICATION = "darkroom"

_BLOCK = re.compile(r"^(?P<indent> *)serveConfigV2: \|\n(?:(?P=indent) +.*\n|\n)*", re.MULTILINE)


def render(
    manifest: Annotated[Path, typer.Argument(help="The RayService to rewrite in place.")],
    config: Annotated[Path, typer.Option(help="The configuration that its image serves.")] = PRODUCTION,
) -> None:
    """Write `serveConfigV2` of a RayService from a configuration; the rest of the file stays as it is."""
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(rendered(text, config=config, settings=load_settings(config)), encoding="utf-8")


def rendered(manifest: str, *, config: Path, settings: DarkroomSettings) -> str:
    """The manifest with a fresh `serveConfigV2`; raises ConfigurationError when it has none."""
    match = _BLOCK.search(manifest)
    if match is None:
        raise ConfigurationError("the manifest has no block `serveConfigV2: |` to rewrite")
    body = yaml.safe_dump(serve_config(settings, config=config), sort_keys=False)
    indent = match["indent"]
    block = f"{indent}serveConfigV2: |\n{textwrap.indent(body, indent + '  ')}"
    return manifest[: match.start()] + block + manifest[match.end() :]


def serve_config(settings: DarkroomSettings, *, config: Path) -> dict[str, Any]:
    """Ray Serve's declarative configuration for these settings.

    Resources and replicas are read by the application from `config`; only what differs
    on a cluster stands here.
    """
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": settings.server.port, "request_timeout_s": REQUEST_TIMEOUT_S},
        "logging_config": {"encoding": "JSON", "log_level": settings.telemetry.log_level},
        "applications": [
            {
                "name": APPLICATION,
                "route_prefix": "/",
                "import_path": "deployments.graph:build",
                "args": {"config": config.as_posix()},
                "autoscaling_policy": {
                    "policy_function": "deployments.scaling_policy:ScalingPolicy",
                    "policy_kwargs": {"application": APPLICATION, "config": config.as_posix()},
                },
                "deployments": [{"name": name} for name in deployment_names(settings)],
            }
        ],
    }


def deployment_names(settings: DarkroomSettings) -> list[str]:
    """The deployments of the graph, from the gateway inwards."""
    return ["Gateway", "Router", *map(model_deployment, settings.hosts), UPSCALER]
