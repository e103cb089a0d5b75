"""The deployments of a graph that scale, with what is configured for each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.autoscaling.building import SLOWEST_START, build_profile
from app.autoscaling.profile import Profile
from app.config import AutoscalingSettings, DarkroomSettings, UpscalerSettings, VariantSettings
from app.config.autoscaling import DeploymentScaling, ScalingSettings

UPSCALER = "Upscaler"
UPSCALER_NAME = "upscaler"


def model_deployment(host: str) -> str:
    """What Serve calls the deployment of a host of variants."""
    return f"Model-{host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One deployment: `name` is what schedules and reports call it, `deployment` what Serve does.

    `bundle` is what a replica takes of its node. A stage that `follows` gets its work from the models.
    """

    name: str
    deployment: str
    bounds: AutoscalingSettings
    max_batch: int
    bundle: Mapping[str, float]
    follows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was measured of a deployment and stands in where nothing is configured."""

    single_s: float | None = None
    cold_start_s: float | None = None
    slowest_start_s: float = 0.0


def members_of(settings: DarkroomSettings) -> tuple[Member, ...]:
    """Every host of variants, and the upscaler behind them."""
    hosts = [_host(name, next(iter(variants.values()))) for name, variants in settings.hosts.items()]
    upscaler = Member(
        name=UPSCALER_NAME, deployment=UPSCALER, bounds=settings.upscaler.autoscaling, max_batch=1,
        bundle=_bundle(settings.upscaler), follows=True,
    )  # fmt: skip
    return (*hosts, upscaler)


def profile_of(member: Member, settings: ScalingSettings, learned: Learned, *, stale_after_s: float) -> Profile:
    """The profile to decide by; raises ConfigurationError for a schedule that can never begin.

    Machines are asked for ahead of replicas, so replicas are ordered one start of theirs early, and no more.
    """
    own = _own(member, settings, learned)
    slowest_s = _slowest_start_s(own, learned)
    profile = build_profile(member.name, settings.model_copy(update={"deployments": {member.name: own}}))
    return replace(
        profile, cold_start_s=own.cold_start_s + own.node_start_s, slowest_start_s=slowest_s,
        node_start_s=0.0, stale_after_s=stale_after_s, gpus_each=member.bundle.get("GPU", own.gpus_each),
    )  # fmt: skip


def nodes_early_s(member: Member, settings: ScalingSettings, learned: Learned) -> float:
    """How long before a peak its machines are asked for."""
    own = _own(member, settings, learned)
    return _slowest_start_s(own, learned) + own.node_start_s


def _slowest_start_s(own: DeploymentScaling, learned: Learned) -> float:
    usual_s = SLOWEST_START * own.cold_start_s
    return usual_s if own.cold_start_s != learned.cold_start_s else max(usual_s, learned.slowest_start_s)


def _own(member: Member, settings: ScalingSettings, learned: Learned) -> DeploymentScaling:
    """What is configured, or else what the graph says or was learned; never beyond the graph's bounds."""
    own = settings.deployments.get(member.name, DeploymentScaling())
    least, most = member.bounds.min_replicas, member.bounds.max_replicas
    found = {
        "min": least, "max": most, "max_batch": member.max_batch, "single_s": learned.single_s or own.single_s,
        "cold_start_s": learned.cold_start_s or own.cold_start_s,
    }  # fmt: skip
    found |= {key: getattr(own, key) for key in found if key in own.model_fields_set}
    found |= {"min": min(max(found["min"], least), most), "max": max(min(found["max"], most), least)}
    return own.model_copy(update=found)


def _host(name: str, leader: VariantSettings) -> Member:
    return Member(
        name=name, deployment=model_deployment(name), bounds=leader.autoscaling, max_batch=leader.max_batch,
        bundle=_bundle(leader),
    )  # fmt: skip


def _bundle(settings: VariantSettings | UpscalerSettings) -> dict[str, float]:
    bundle = {"CPU": settings.num_cpus, "GPU": settings.num_gpus}
    return {resource: amount for resource, amount in bundle.items() if amount}
