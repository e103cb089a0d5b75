"""The only place that wires: from one configuration file to a Ray Serve application."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve.handle import DeploymentHandle

from app.autoscaling.live.fleet import UPSCALER, model_deployment
from app.config import DarkroomSettings, UpscalerSettings, VariantSettings, load_settings
from deployments.cache import SemanticCache
from deployments.gateway import Gateway
from deployments.model import Model
from deployments.options import (
    EAGER_ROUTING,
    STICKY_ROUTING,
    autoscaling,
    cache_resources,
    deployment,
    most_calls,
    resources,
)
from deployments.router import RouterShell
from deployments.upscaler import UpscalerShell


class GraphArguments(BaseModel):
    """Arguments of the application: the configuration file to serve."""

    model_config = ConfigDict(extra="forbid")

    config: str


def build(args: GraphArguments) -> serve.Application:
    """The application for a configuration file; Ray Serve imports it as `deployments.graph:build`."""
    return wire(load_settings(Path(args.config)))


def wire(settings: DarkroomSettings) -> serve.Application:
    """Gateway → router → models and upscaler, and gateway → semantic cache, for settings already read."""
    models = {}
    for host, variants in settings.hosts.items():
        models.update(dict.fromkeys(variants, _bind_model(host, variants, settings)))
    upscaler = _bind_upscaler(settings.upscaler, settings)
    router = deployment(
        RouterShell,
        name="Router",
        num_replicas=1,
        max_ongoing_requests=2 * settings.routing.max_queued,
        ray_actor_options={"num_cpus": 0.1},
        user_config=settings.routing.model_dump(),
    ).bind(settings, models, upscaler)
    gateway = deployment(
        serve.ingress()(Gateway),
        name="Gateway",
        num_replicas=settings.server.replicas,
        max_ongoing_requests=2 * settings.routing.max_queued,
        ray_actor_options={"num_cpus": 0.1},
    )
    similar = _bind_similar(settings) if settings.cache.asks_similar else None
    return cast(serve.Application, gateway.bind(settings, router, similar))


def _bind_model(
    host: str, variants: Mapping[str, VariantSettings], settings: DarkroomSettings
) -> DeploymentHandle[Any]:
    leader = next(iter(variants.values()))
    model = deployment(
        Model,
        name=model_deployment(host),
        max_ongoing_requests=sum(map(most_calls, variants.values())),
        autoscaling_config=autoscaling(leader.autoscaling),
        request_router_config=EAGER_ROUTING,
        ray_actor_options=resources(leader),
        graceful_shutdown_timeout_s=120,
    )
    return cast(DeploymentHandle[Any], model.bind(tuple(variants), settings))


def _bind_upscaler(upscaler: UpscalerSettings, settings: DarkroomSettings) -> DeploymentHandle[Any]:
    stage = deployment(
        UpscalerShell,
        name=UPSCALER,
        max_ongoing_requests=16,
        autoscaling_config=autoscaling(upscaler.autoscaling),
        request_router_config=EAGER_ROUTING,
        ray_actor_options=resources(upscaler),
    )
    return cast(DeploymentHandle[Any], stage.bind(settings))


def _bind_similar(settings: DarkroomSettings) -> DeploymentHandle[Any]:
    similar = settings.cache.similar
    cache = deployment(
        SemanticCache,
        name="SemanticCache",
        num_replicas=similar.replicas,
        max_ongoing_requests=1000,
        request_router_config=STICKY_ROUTING,
        ray_actor_options=cache_resources(similar),
    )
    return cast(DeploymentHandle[Any], cache.bind(settings))
