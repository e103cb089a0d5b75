"""What is asked of Darkroom and what it answers, in one form for every dialect."""

from dataclasses import dataclass
from enum import StrEnum

from app.cache_levels import CacheLevel, CacheLimit, SimilarityEvidence
from app.errors import DarkroomError
from app.handling import USUAL, Handling, Webhook
from app.latents import FROM_NOISE, KeptLatents, LatentsPlan

# Whose the requests are where nobody has to say who they are.
LOCAL_TENANT = "local"


class Task(StrEnum):
    """The kind of work that makes a picture."""

    TEXT_TO_IMAGE = "text_to_image"
    IMAGE_TO_IMAGE = "image_to_image"
    UPSCALE = "upscale"


class Tier(StrEnum):
    """A service class; within one variant a more urgent tier is served first."""

    INTERACTIVE = "interactive"
    STANDARD = "standard"
    BATCH = "batch"


class ImageFormat(StrEnum):
    """An encoding that a finished picture can have."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def content_type(self) -> str:
        """The media type sent to clients."""
        return f"image/{self.value}"

    @property
    def has_quality(self) -> bool:
        """Whether it can be told how much of the picture to keep."""
        return self is not ImageFormat.PNG


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """An adapter laid over a model's weights: a file below the configured folder, and how strongly it acts.

    `digest` names the content that the file had when the request was made (SHA-256, hexadecimal).
    """

    path: str
    scale: float = 1.0
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSpec:
    """Everything that shapes the bytes of one picture; equal specs give equal bytes.

    `width` and `height` are pixels of the delivered picture, `native_width` and `native_height` those at which the
    model draws it; `source_key` names the input picture in the blob store; `strength` (0, 1] is the share of the steps
    that an image-to-image run may change; `steps` is zero for an upscale; `loras` act in their order; `quality` is that
    of the encoding, 1 to 100, or None for the format's usual one.
    """

    task: Task
    variant: str
    prompt: str = ""
    negative_prompt: str = ""
    width: int
    height: int
    native_width: int
    native_height: int
    steps: int = 0
    seed: int = 0
    guidance_scale: float = 0.0
    strength: float = 1.0
    source_key: str | None = None
    loras: tuple[Lora, ...] = ()
    image_format: ImageFormat = ImageFormat.PNG
    quality: int | None = None

    @property
    def batch_key(self) -> "BatchKey":
        """What jobs must have in common to share a denoising step."""
        return BatchKey(self.variant, self.native_width, self.native_height, self.loras)

    @property
    def is_drawn_to_size(self) -> bool:
        """True when the model draws at the delivered size, so that no upscaling is needed."""
        return (self.width, self.height) == (self.native_width, self.native_height)


@dataclass(frozen=True, slots=True)
class BatchKey:
    """Jobs with equal keys can be denoised in one batch, whatever their steps, seeds and progress.

    `width` and `height` are native pixels.
    """

    variant: str
    width: int
    height: int
    loras: tuple[Lora, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Native width and height."""
        return self.width, self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One picture to make, with what the scheduler needs; all times are epoch seconds.

    `deadline_s` orders work inside a tier; `start_by_s` fails the job when no slot was found before it; `report_steps`
    asks for an event at every denoising step, `previews` for a small picture in each of these events; `file_salt` goes
    into the names of its files; `latents` says where the picture begins.
    """

    job_id: str
    spec: PictureSpec
    tier: Tier = Tier.STANDARD
    arrival_s: float
    deadline_s: float
    start_by_s: float | None = None
    report_steps: bool = False
    previews: bool = False
    file_salt: str = ""
    latents: LatentsPlan = FROM_NOISE
    handling: Handling = USUAL

    @property
    def urgency(self) -> tuple[float, float, str]:
        """Sorts jobs, the most urgent first: by deadline, then by arrival."""
        return self.deadline_s, self.arrival_s, self.job_id


def job_id_of(request_id: str, index: int) -> str:
    """The id of the job that makes picture number `index` of a request."""
    return f"{request_id}.{index}"


def request_of(job_id: str) -> str:
    """The id of the request that a job belongs to."""
    return job_id.rpartition(".")[0] or job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What one client call asks for: `num_images` pictures that differ in their seed alone.

    `start_timeout_s` is the longest acceptable wait for a slot, counted from arrival; `inline` asks for the pictures
    themselves in the answer instead of their URLs, `previews` for small pictures on the way; an `ephemeral` request is
    forgotten soon after its completion. `seed_is_free` tells that the caller named no seed; `cache` is the most that
    the caller wants from the cache; `caller` tells the callers of a tenant apart, as far as that is known. `file_salt`
    is a secret of the tenant that goes into the names of its files, so that nobody else can compute one from the same
    picture.
    """

    request_id: str
    tenant: str
    endpoint: str
    spec: PictureSpec
    num_images: int = 1
    tier: Tier = Tier.STANDARD
    start_timeout_s: float | None = None
    report_steps: bool = False
    previews: bool = False
    inline: bool = False
    ephemeral: bool = False
    seed_is_free: bool = False
    cache: CacheLimit = CacheLimit.SIMILAR
    caller: str = ""
    file_salt: str = ""
    webhook: Webhook | None = None
    handling: Handling = USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How a picture was made and what it cost; durations in seconds, `gpu_ms` device milliseconds.

    `gpu_ms` is this picture's share of the device: of each step, its time divided by the pictures in it. `batch_size`
    is the mean number of pictures in its steps. `denoise_s` sums its own steps, `paused_s` the time in which it had
    begun and others were stepped. `similar` is there when the picture was made for a similar prompt; of its `steps`,
    the first `skipped_steps` were another picture's.
    """

    variant: str
    steps: int
    cache: CacheLevel = CacheLevel.NONE
    batch_size: float = 1.0
    queue_s: float = 0.0
    denoise_s: float = 0.0
    paused_s: float = 0.0
    decode_s: float = 0.0
    upscale_s: float = 0.0
    gpu_ms: float = 0.0
    replica: str = ""
    similar: SimilarityEvidence | None = None
    skipped_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One finished picture, by its key in the blob store; `seed` is the one that drew it, where that is known."""

    blob_key: str
    width: int
    height: int
    image_format: ImageFormat
    byte_count: int
    receipt: Receipt
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The answer to a request: its pictures in seed order; `inference_s` spans first start to last picture.

    `inline` repeats the request's wish, for whoever writes the answer later; its files are gone at `expires_s`.
    """

    request_id: str
    prompt: str
    seed: int
    pictures: tuple[Picture, ...]
    inference_s: float
    inline: bool = False
    expires_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """A replica has begun to work on the job."""

    job_id: str
    replica: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStep:
    """Denoising step `step` of `steps` (counted from 1) is done; `preview` is a small JPEG, where asked for."""

    job_id: str
    step: int
    steps: int
    preview: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished:
    """The job's picture is in the blob store."""

    job_id: str
    picture: Picture


JobEvent = JobStarted | JobStep | JobFinished


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDrawn:
    """The model has drawn the job's picture and stored it under `blob_key`.

    `delivered` is true when the stored file is already the finished picture in the size and encoding asked for;
    otherwise it is a lossless picture in native size that the upscaler has to finish.
    """

    job_id: str
    blob_key: str
    byte_count: int
    delivered: bool
    receipt: Receipt
    latents: tuple[KeptLatents, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """The job's picture could not be made; the jobs beside it are unaffected."""

    job_id: str
    error: DarkroomError


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDraining:
    """The job has begun its last denoising step: its place can be given to another."""

    job_id: str


EngineEvent = JobStarted | JobStep | JobDraining | JobDrawn | JobFailed
