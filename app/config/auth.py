"""The schema of keys and quotas."""

from enum import StrEnum

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from app.config.base import Settings
from app.generation import LOCAL_TENANT


class KeyRule(StrEnum):
    """From whom a key is wanted."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class QuotaSettings(Settings):
    """How much one tenant may use; what is absent is not limited."""

    requests: NonNegativeInt | None = Field(default=None, description="Requests begun in the window.")
    gpu_seconds: NonNegativeFloat | None = Field(
        default=None,
        description="Device time of pictures in the window; known when one ends, so the last may exceed it.",
    )
    window_s: float = Field(
        default=3600.0,
        ge=60,
        le=2_678_400,
        description="Length of the window, which moves on by ten seconds at a time.",
    )
    concurrent: NonNegativeInt | None = Field(
        default=None, description="Direct requests under way at once; requests that wait in the queue do not count."
    )
    stored_bytes: NonNegativeInt | None = Field(default=None, description="Bytes of pictures and uploads kept.")

    @property
    def is_limited(self) -> bool:
        """Whether anything is limited."""
        return any(each is not None for each in (self.requests, self.gpu_seconds, self.concurrent, self.stored_bytes))


_UNLIMITED = QuotaSettings()


class AuthSettings(Settings):
    """Who may call, and how much; keys are made with `darkroom keys`."""

    required: KeyRule = Field(
        default=KeyRule.AUTO,
        description="From whom a key is wanted. auto: from everybody but callers on this machine while server.host is "
        "its loopback; always: from everybody; never: from nobody, who then share one tenant.",
    )
    key_staleness_s: PositiveFloat = Field(
        default=1.0, description="How long a gateway trusts what it knows of a key: a revocation acts after that."
    )
    usage_staleness_s: PositiveFloat = Field(
        default=1.0,
        description="How old a gateway's knowledge may be of what a tenant uses at others: less is more exact, and "
        "more reading.",
    )
    quota: QuotaSettings = QuotaSettings()
    tenants: dict[str, QuotaSettings] = Field(
        default={}, description="Quotas of tenants by name, in place of the one above."
    )

    def quota_of(self, tenant: str) -> QuotaSettings:
        """The tenant's quota; callers without a key have one only where it is named."""
        return self.tenants.get(tenant, _UNLIMITED if tenant == LOCAL_TENANT else self.quota)

    @property
    def longest_window_s(self) -> float:
        """The longest window of any tenant."""
        return max(quota.window_s for quota in (self.quota, *self.tenants.values()))
