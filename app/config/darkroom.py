"""The schema of `configs/*.yaml`, read from top to bottom: one frozen model for every setting."""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from app.config.base import Port, Settings
from app.config.variants import UpscalerSettings, VariantSettings, by_host
from app.generation import Task


class ServerSettings(Settings):
    """Where and how clients reach the gateway."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 opens the server to the network.")
    port: Port = Field(default=8000, description="HTTP port of the gateway.")
    proxy: Literal["haproxy", "python"] = Field(
        default="haproxy",
        description="haproxy: about seven times cheaper per request; python: no second binary, easier to debug.",
    )
    replicas: PositiveInt = Field(
        default=1, description="Gateway processes. Fixed on purpose: with haproxy each change cuts long streams."
    )
    max_body_bytes: PositiveInt = Field(
        default=20_000_000, description="Largest request body; higher lets clients inline larger pictures as data URIs."
    )
    public_url: str | None = Field(
        default=None, description="Base of the URLs in answers; when absent, what the client used to reach the server."
    )
    cancel_on_disconnect: bool = Field(
        default=True, description="Stop direct (not queued) work when its client leaves."
    )
    stream_previews: bool = Field(
        default=True, description="Small pictures in the events of a stream; each costs a fraction of a decoding."
    )


class FetchSettings(Settings):
    """How pictures named by URL are fetched."""

    allow_private_addresses: bool = Field(
        default=False, description="Fetch from private and loopback addresses; true lets callers probe your network."
    )
    max_bytes: PositiveInt = Field(default=20_000_000, description="Largest picture fetched or inlined.")
    max_pixels: PositiveInt = Field(default=25_000_000, description="Largest picture decoded, in pixels.")
    timeout_s: PositiveFloat = Field(default=15.0, description="Longest wait for a picture to arrive.")


class StorageSettings(Settings):
    """Where pictures and jobs are kept."""

    blobs: str = Field(
        default="~/.cache/darkroom/blobs",
        description="Folder of finished pictures, shared by all processes; a path, or s3://bucket/prefix on a cluster.",
    )
    jobs: str = Field(
        default="memory", description="Where queued requests are kept: memory, or postgresql://… on a cluster."
    )
    result_ttl_s: PositiveFloat = Field(default=3600.0, description="How long a finished request stays retrievable.")
    max_results: PositiveInt = Field(default=10_000, description="Finished requests kept at most; oldest go first.")


class CacheSettings(Settings):
    """The exact cache inside each gateway process."""

    max_entries: NonNegativeInt = Field(
        default=10_000, description="Pictures remembered; zero turns the cache off, more costs about 1 KB each."
    )


class EndpointSettings(Settings):
    """One fal endpoint and the variant behind it."""

    task: Task = Field(description="What the endpoint does; its input schema follows from the task and the endpoint.")
    variant: str | None = Field(default=None, description="The variant that draws; absent for upscaling.")
    default_steps: PositiveInt | None = Field(
        default=None, description="Steps when the request names none; absent: fal's documented default."
    )

    @model_validator(mode="after")
    def _variant_where_needed(self) -> Self:
        if (self.task is Task.UPSCALE) != (self.variant is None):
            raise ValueError(f"task {self.task.value} with variant {self.variant!r}: exactly drawing tasks name one")
        return self


class RoutingSettings(Settings):
    """Deadlines and limits of the queues; live, without a restart."""

    objective_s: dict[Literal["interactive", "standard", "batch"], PositiveFloat] = Field(
        default={"interactive": 10.0, "standard": 60.0, "batch": 3600.0},
        description="Deadline of a job after its arrival, by tier; orders the queue.",
    )
    max_queued: PositiveInt = Field(
        default=1000, description="Jobs that may wait for one variant before requests are refused with Retry-After."
    )


class TelemetrySettings(Settings):
    """Where traces go."""

    otlp_endpoint: str | None = Field(
        default=None, description="OTLP over HTTP, for example http://localhost:4318/v1/traces; absent: no spans leave."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Least level logged.")


class RaySettings(Settings):
    """The Ray instance that `darkroom up` starts; ignored where a cluster exists."""

    num_cpus: PositiveInt | None = Field(default=None, description="Logical CPUs offered to Ray; absent: all of them.")
    dashboard_port: Port = Field(default=8265, description="Port of the Ray dashboard.")
    object_store_bytes: PositiveInt = Field(
        default=200_000_000, description="Shared memory for Ray's objects; pictures never travel there."
    )


class DarkroomSettings(Settings):
    """Everything that one Darkroom needs to know."""

    server: ServerSettings = ServerSettings()
    fetch: FetchSettings = FetchSettings()
    storage: StorageSettings = StorageSettings()
    cache: CacheSettings = CacheSettings()
    routing: RoutingSettings = RoutingSettings()
    variants: dict[str, VariantSettings] = Field(description="Name to variant.", min_length=1)
    upscaler: UpscalerSettings = UpscalerSettings()
    endpoints: dict[str, EndpointSettings] = Field(description="fal endpoint id to what serves it.", min_length=1)
    telemetry: TelemetrySettings = TelemetrySettings()
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _endpoints_name_known_variants(self) -> Self:
        for endpoint, settings in self.endpoints.items():
            if settings.variant is not None and settings.variant not in self.variants:
                known = ", ".join(sorted(self.variants))
                raise ValueError(f"endpoint {endpoint} names variant {settings.variant!r}; known variants: {known}")
        return self

    @model_validator(mode="after")
    def _hosts_agree(self) -> Self:
        by_host(self.variants)
        return self

    @property
    def hosts(self) -> dict[str, dict[str, VariantSettings]]:
        """The variants of each host by name: one process and its device per host."""
        return by_host(self.variants)
