"""The schema of `configs/*.yaml`, read from top to bottom: one frozen model for every setting."""

from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from app.config.auth import AuthSettings
from app.config.base import Port, Settings
from app.config.cache import CacheSettings
from app.config.variants import UpscalerSettings, VariantSettings, by_host
from app.generation import Task
from app.workflows import FlawedWorkflowError, checked_workflow


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
    realtime_idle_s: PositiveFloat = Field(
        default=300.0, description="A realtime connection without input for so long is closed; clients come back."
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


class WebhookSettings(Settings):
    """How results are delivered to the URLs that callers name."""

    allow_private_addresses: bool = Field(
        default=False, description="Deliver to private and loopback addresses; true lets callers probe your network."
    )
    timeout_s: PositiveFloat = Field(default=15.0, description="Longest wait for the answer to a first delivery.")
    retry_timeout_s: PositiveFloat = Field(default=120.0, description="Longest wait for the answer to a later one.")
    retries: NonNegativeInt = Field(default=10, description="Deliveries after the first, while none is acknowledged.")
    first_delay_s: PositiveFloat = Field(
        default=7.0, description="Wait before the second delivery; each later wait is twice as long."
    )


class S3Settings(Settings):
    """How a bucket is reached; who may touch it stands in the environment alone, as `AWS_ACCESS_KEY_ID` and so on."""

    endpoint_url: str | None = Field(
        default=None, description="Base URL of a server that speaks S3's protocol; absent: that of AWS."
    )
    region: str = Field(default="us-east-1", description="Region of the bucket.")
    direct_downloads: bool = Field(
        default=False,
        description="Send who fetches a file to the bucket by a signed URL: no byte passes the gateway, but clients "
        "have to reach the bucket and to follow redirects.",
    )


class StorageSettings(Settings):
    """Where pictures and jobs are kept."""

    blobs: str = Field(
        default="~/.cache/darkroom/blobs",
        description="Folder of finished pictures, shared by all processes; a path, or s3://bucket/prefix on a cluster.",
    )
    s3: S3Settings = S3Settings()
    jobs: str = Field(
        default="memory",
        description="Where queued requests are kept: memory (lost with the process), sqlite:path for one gateway, or "
        "postgresql://user:password@host/database for many.",
    )
    lease_s: PositiveFloat = Field(
        default=10.0, description="How long after a gateway's death its queued requests are begun again by another."
    )
    max_attempts: PositiveInt = Field(
        default=5, description="A queued request fails when so many gateways have died while they worked on it."
    )
    secret_file: str | None = Field(
        default=None,
        description="File of at least 32 random bytes that sign tokens and webhooks; absent: made beside the blobs.",
    )
    max_upload_bytes: PositiveInt = Field(default=1_000_000_000, description="Largest file that a caller may upload.")
    upload_ttl_s: PositiveFloat | None = Field(
        default=None, description="How long an upload stays when its caller says nothing; absent: until it is deleted."
    )
    result_ttl_s: PositiveFloat = Field(default=3600.0, description="How long a finished request stays retrievable.")
    ephemeral_result_ttl_s: PositiveFloat = Field(
        default=3600.0, description="The same, at most, for a request that came with X-Fal-Store-IO: 0."
    )
    max_results: PositiveInt = Field(default=10_000, description="Finished requests kept at most; oldest go first.")


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


class ScalingPlaces(Settings):
    """Where the settings and the memory of scaling are."""

    file: str | None = Field(
        default=None,
        description="File of objectives, schedules and budget, read again when it changes; absent: their defaults.",
    )
    memory: str = Field(
        default="~/.cache/darkroom/scaling",
        description="Folder in which the history of the load outlives restarts; on a cluster, one that all nodes see.",
    )
    pace: float = Field(
        default=1.0,
        ge=1.0,
        le=100.0,
        description="Seconds that pass for scaling in one; above 1 only to rehearse hours of load in minutes, with "
        "every time in the file above as much longer.",
    )


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
    auth: AuthSettings = AuthSettings()
    fetch: FetchSettings = FetchSettings()
    webhooks: WebhookSettings = WebhookSettings()
    storage: StorageSettings = StorageSettings()
    cache: CacheSettings = CacheSettings()
    routing: RoutingSettings = RoutingSettings()
    variants: dict[str, VariantSettings] = Field(description="Name to variant.", min_length=1)
    upscaler: UpscalerSettings = UpscalerSettings()
    endpoints: dict[str, EndpointSettings] = Field(description="fal endpoint id to what serves it.", min_length=1)
    workflows: dict[str, dict[str, Any]] = Field(
        default={},
        description="Workflow in fal's JSON, which is YAML too, by owner/name; clients call it workflows/owner/name.",
    )
    telemetry: TelemetrySettings = TelemetrySettings()
    scaling: ScalingPlaces = ScalingPlaces()
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _endpoints_name_known_variants(self) -> Self:
        for endpoint, settings in self.endpoints.items():
            if settings.variant is not None and settings.variant not in self.variants:
                known = ", ".join(sorted(self.variants))
                raise ValueError(f"endpoint {endpoint} names variant {settings.variant!r}; known variants: {known}")
        return self

    @model_validator(mode="after")
    def _workflows_can_be_carried_out(self) -> Self:
        for name, document in self.workflows.items():
            try:
                checked_workflow(name, document, apps=self.endpoints)
            except FlawedWorkflowError as error:
                raise ValueError(f"workflow {name}: {error.detail}") from error
        return self

    @model_validator(mode="after")
    def _gateways_share_their_jobs(self) -> Self:
        if self.server.replicas > 1 and self.storage.jobs == "memory":
            raise ValueError(f"server.replicas {self.server.replicas} with storage.jobs memory: gateways must share it")
        return self

    @model_validator(mode="after")
    def _hosts_agree(self) -> Self:
        if "upscaler" in by_host(self.variants):
            raise ValueError("no variant or host may be called upscaler: that is the stage behind all of them")
        return self

    @property
    def hosts(self) -> dict[str, dict[str, VariantSettings]]:
        """The variants of each host by name: one process and its device per host."""
        return by_host(self.variants)
