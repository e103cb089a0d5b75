"""The schema of `configs/*.yaml`, read from top to bottom: one frozen model for every setting."""

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from app.errors import ConfigurationError
from app.generation import Task

Port = Annotated[int, Field(ge=1, le=65535)]

# One token of FLUX covers 16 x 16 pixels: the autoencoder's factor of eight, folded two by two.
LATENT_PATCH = 16


class Settings(BaseModel):
    """A frozen group of settings that refuses a misspelt key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class AutoscalingSettings(Settings):
    """How many replicas a deployment may have."""

    min_replicas: NonNegativeInt = Field(
        default=1, description="Replicas kept warm; zero saves idle GPUs for a cold start."
    )
    max_replicas: PositiveInt = Field(default=1, description="Upper bound: the most devices this variant may take.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is greater than max_replicas {self.max_replicas}")
        return self


class VariantSettings(Settings):
    """One concrete way to run a model."""

    source: str = Field(description="builtin:NAME, a folder in diffusers format, or a model id of the hub.")
    family: Literal["flux"] = Field(default="flux", description="The pipeline family that runs the steps.")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: the GPU when there is one.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Compute type; bfloat16 on GPUs, float32 on CPUs."
    )
    quantization: Literal["none", "int8"] = Field(
        default="none",
        description="int8: weights of the transformer in 8 bits; fewer bytes, slightly different pictures.",
    )
    default_steps: PositiveInt = Field(default=4, description="Denoising steps when the request names none.")
    max_steps: PositiveInt = Field(default=50, description="Most steps a request may ask for.")
    native_sizes: tuple[tuple[PositiveInt, PositiveInt], ...] = Field(
        default=(),
        description="Sizes (width, height) that the model draws at; the upscaler does the rest. Empty: as asked.",
    )
    max_batch: PositiveInt = Field(
        default=8, description="Most pictures denoised together; more raises throughput and the wait of each."
    )
    threads: PositiveInt = Field(default=1, description="CPU threads of one replica.")
    num_cpus: NonNegativeFloat = Field(default=1.0, description="CPU cores that Ray sets aside for one replica.")
    num_gpus: NonNegativeFloat = Field(default=0.0, description="GPUs that Ray sets aside for one replica.")
    autoscaling: AutoscalingSettings = AutoscalingSettings()

    def native_size(self, width: int, height: int) -> tuple[int, int]:
        """The size in pixels that this variant draws for a picture of `width` by `height`: the nearest aspect.

        Without native sizes it is the asked size, rounded up to what a FLUX latent can hold.
        """
        if not self.native_sizes:
            return _rounded_up(width), _rounded_up(height)
        wanted = math.log(width / height)
        return min(self.native_sizes, key=lambda size: abs(math.log(size[0] / size[1]) - wanted))


class UpscalerSettings(Settings):
    """The stage that brings every picture to the size that was asked for."""

    source: str = Field(
        default="builtin:upscaler", description="builtin:upscaler, or a file that spandrel can load (needs the extra)."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: the GPU when there is one.")
    max_network_pixels: PositiveInt = Field(
        default=262_144,
        description="Largest network output in pixels, beyond which resampling takes over; more is sharper and slower.",
    )
    threads: PositiveInt = Field(default=1, description="CPU threads of one replica.")
    num_cpus: NonNegativeFloat = Field(default=0.5, description="CPU cores that Ray sets aside for one replica.")
    num_gpus: NonNegativeFloat = Field(default=0.0, description="GPUs that Ray sets aside for one replica.")
    autoscaling: AutoscalingSettings = AutoscalingSettings()


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


def _rounded_up(side: int) -> int:
    return math.ceil(side / LATENT_PATCH) * LATENT_PATCH


_REFERENCE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def load_settings(path: Path) -> DarkroomSettings:
    """Read one configuration file; `${NAME}` and `${NAME:-default}` stand for environment variables.

    Raises ConfigurationError that names the file, the key and the reason.
    """
    try:
        raw = yaml.safe_load(_expand(path.read_text(encoding="utf-8")))
        return DarkroomSettings.model_validate(raw)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_explain(error)}") from error


def _expand(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match["name"], match["default"])
        if found is None:
            raise ConfigurationError(f"environment variable {match['name']} is not set and has no default")
        return found

    return _REFERENCE.sub(value, text)


def _explain(error: ValidationError) -> str:
    def line(issue: Any) -> str:
        where = ".".join(str(part) for part in issue["loc"]) or "the file"
        return f"{where}: {issue['msg']}"

    return "; ".join(line(issue) for issue in error.errors())
