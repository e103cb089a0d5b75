"""The only place that wires: from one configuration file to a Ray Serve application."""

from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve.config import AutoscalingConfig, RequestRouterConfig
from ray.serve.handle import DeploymentHandle

from app.config import AutoscalingSettings, DarkroomSettings, UpscalerSettings, VariantSettings, load_settings
from deployments.gateway import Gateway
from deployments.model import Model
from deployments.router import BATCHES_PER_REPLICA, RouterShell
from deployments.upscaler import UpscalerShell

# A slot that comes free is noticed at the next retry, so retries are close together.
EAGER_ROUTING = RequestRouterConfig(initial_backoff_s=0.005, backoff_multiplier=1.5, max_backoff_s=0.02)


class GraphArguments(BaseModel):
    """Arguments of the application: the configuration file to serve."""

    model_config = ConfigDict(extra="forbid")

    config: str


def build(args: GraphArguments) -> serve.Application:
    """The application for a configuration file; Ray Serve imports it as `deployments.graph:build`."""
    return wire(load_settings(Path(args.config)))


def wire(settings: DarkroomSettings) -> serve.Application:
    """Gateway → router → models and upscaler, for settings already read."""
    models = {name: _bind_model(name, variant, settings) for name, variant in settings.variants.items()}
    upscaler = _bind_upscaler(settings.upscaler, settings)
    router = _deployment(
        RouterShell,
        name="Router",
        num_replicas=1,
        max_ongoing_requests=2 * settings.routing.max_queued,
        ray_actor_options={"num_cpus": 0.1},
        user_config=settings.routing.model_dump(),
    ).bind(settings, models, upscaler)
    gateway = _deployment(
        serve.ingress()(Gateway),
        name="Gateway",
        num_replicas=settings.server.replicas,
        max_ongoing_requests=2 * settings.routing.max_queued,
        ray_actor_options={"num_cpus": 0.1},
    )
    return cast(serve.Application, gateway.bind(settings, router))


def _bind_model(name: str, variant: VariantSettings, settings: DarkroomSettings) -> DeploymentHandle[Any]:
    deployment = _deployment(
        Model,
        name=f"Model-{name}",
        max_ongoing_requests=BATCHES_PER_REPLICA,
        autoscaling_config=_autoscaling(variant.autoscaling, target=BATCHES_PER_REPLICA),
        request_router_config=EAGER_ROUTING,
        ray_actor_options=_resources(variant),
        graceful_shutdown_timeout_s=120,
        health_check_period_s=5,
    )
    return cast(DeploymentHandle[Any], deployment.bind(name, settings))


def _bind_upscaler(upscaler: UpscalerSettings, settings: DarkroomSettings) -> DeploymentHandle[Any]:
    deployment = _deployment(
        UpscalerShell,
        name="Upscaler",
        max_ongoing_requests=16,
        autoscaling_config=_autoscaling(upscaler.autoscaling, target=4),
        request_router_config=EAGER_ROUTING,
        ray_actor_options=_resources(upscaler),
    )
    return cast(DeploymentHandle[Any], deployment.bind(settings))


def _autoscaling(settings: AutoscalingSettings, *, target: int) -> AutoscalingConfig:
    return AutoscalingConfig(
        min_replicas=settings.min_replicas, max_replicas=settings.max_replicas, target_ongoing_requests=target
    )


def _resources(settings: VariantSettings | UpscalerSettings) -> dict[str, Any]:
    return {
        "num_cpus": settings.num_cpus,
        "num_gpus": settings.num_gpus,
        "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(settings.threads)}},
    }


def _deployment(shell: type[Any], **options: Any) -> Any:
    """Serve's decorator as a call; it is untyped, so the one cast stands here."""
    return serve.deployment(shell, **options)
