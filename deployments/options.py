"""What Ray Serve is told about each deployment."""

from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig, RequestRouterConfig

from app.config import AutoscalingSettings, UpscalerSettings, VariantSettings

# A slot that comes free is noticed at the next retry, so retries are close together.
EAGER_ROUTING = RequestRouterConfig(initial_backoff_s=0.005, backoff_multiplier=1.5, max_backoff_s=0.02)


def autoscaling(settings: AutoscalingSettings, *, target: int) -> AutoscalingConfig:
    """Replica bounds of a deployment that has `target` calls per replica under way when it is well used."""
    return AutoscalingConfig(
        min_replicas=settings.min_replicas, max_replicas=settings.max_replicas, target_ongoing_requests=target
    )


def idle_slots(settings: VariantSettings) -> int:
    """How many slots of a variant's replicas the router may hold before it has jobs for them: two for each."""
    return 2 * settings.autoscaling.max_replicas


def most_calls(settings: VariantSettings) -> int:
    """How many calls a replica takes at once: its jobs, stepped or paused, and the slots that the router holds idle."""
    return 2 * settings.max_batch + idle_slots(settings)


def resources(settings: VariantSettings | UpscalerSettings) -> dict[str, Any]:
    """What one replica takes of its node, and the environment of its process."""
    return {
        "num_cpus": settings.num_cpus,
        "num_gpus": settings.num_gpus,
        "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(settings.threads)}},
    }


def deployment(shell: type[Any], **options: Any) -> Any:
    """Serve's decorator as a call; it is untyped, and so is what it returns."""
    return serve.deployment(shell, **options)
