"""What Ray Serve is told about each deployment."""

from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig, RequestRouterConfig

from app.config import AutoscalingSettings, SimilaritySettings, UpscalerSettings, VariantSettings

# A slot that comes free is noticed at the next retry, so retries are close together.
EAGER_ROUTING = RequestRouterConfig(initial_backoff_s=0.005, backoff_multiplier=1.5, max_backoff_s=0.02)

# Everything about one namespace is asked of one replica: where it is busy, its callers wait, and no other is asked.
STICKY_ROUTING = RequestRouterConfig(
    request_router_class="ray.serve.experimental.consistent_hash_router:ConsistentHashRouter",
    request_router_kwargs={"num_fallback_replicas": 0},
)

# A replica that died is found by its next health check, so these are close together too.
HEALTH_CHECK_PERIOD_S = 1.0

# A router that is killed never gives back the slots it held, so there is room for those of so many.
DEAD_ROUTERS = 50


def autoscaling(settings: AutoscalingSettings) -> AutoscalingConfig:
    """Replica bounds; everything between them is the application's policy, so Serve adds no delay of its own.

    From zero, Serve starts the first replica by itself for a call that waits; a short look back keeps it from doing
    so for one that was answered.
    """
    return AutoscalingConfig(
        min_replicas=settings.min_replicas, max_replicas=settings.max_replicas, upscale_delay_s=0.0,
        downscale_delay_s=0.0, metrics_interval_s=1.0, look_back_period_s=3.0,
    )  # fmt: skip


def idle_slots(settings: VariantSettings) -> int:
    """How many slots of a variant's replicas the router may hold before it has jobs for them: two for each."""
    return 2 * settings.autoscaling.max_replicas


def most_calls(settings: VariantSettings) -> int:
    """How many calls a replica takes at once: its jobs, stepped or paused, and slots that routers hold idle.

    It limits nothing: how many jobs a replica has is decided by the router, which counts them.
    """
    return 2 * settings.max_batch + (1 + DEAD_ROUTERS) * idle_slots(settings)


def resources(settings: VariantSettings | UpscalerSettings) -> dict[str, Any]:
    """What one replica takes of its node, and the environment of its process."""
    return {
        "num_cpus": settings.num_cpus,
        "num_gpus": settings.num_gpus,
        "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(settings.threads)}},
    }


def cache_resources(settings: SimilaritySettings) -> dict[str, Any]:
    """What one replica of the semantic cache takes of its node, and the environment of its process."""
    return {
        "num_cpus": settings.num_cpus,
        "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(settings.threads)}},
    }


def deployment(shell: type[Any], **options: Any) -> Any:
    """Serve's decorator as a call; it is untyped, and so is what it returns."""
    return serve.deployment(shell, health_check_period_s=HEALTH_CHECK_PERIOD_S, **options)
