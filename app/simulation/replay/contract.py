"""What a policy decides, and who draws and judges."""

from dataclasses import dataclass
from typing import Protocol

from app.cache.index.contract import Vector
from app.simulation.workload import Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where a picture begins instead of noise: at `step` of another drawing's way.

    `renoised` begins from that drawing's end with as much noise as belongs to the step.
    """

    drawing: str
    step: int
    renoised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture: for which prompt, the bytes of its file, and those of its latents at all kept steps, compressed."""

    key: str
    prompt: str
    byte_count: int
    latent_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A stored drawing answers, found at that level."""

    drawing: Drawing
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """The request of that number, which is being drawn, will answer this one too."""

    number: int
    level: str = "joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A picture is drawn; `waits_for_lookup` when it cannot begin before the look-up by similarity is done."""

    waits_for_lookup: bool = False


Answer = Hit | Join | Draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A picture that is done, where it began, and the device seconds that it took."""

    drawing: Drawing
    beginning: Beginning | None
    device_s: float


class Policy(Protocol):
    """A cache as the stream sees it; `name` is its line in a table."""

    name: str

    async def ask(self, ask: Ask) -> Answer:
        """What the request gets, when it comes."""
        ...

    async def begin(self, ask: Ask) -> Beginning | None:
        """Where its picture begins, when the device is free for it; None: at noise."""
        ...

    async def learn(self, ask: Ask, made: Made) -> None:
        """The request's picture is done."""
        ...

    @property
    def byte_count(self) -> int:
        """What is kept now: pictures, latents and vectors."""
        ...


class Artist(Protocol):
    """Draws and judges; the same arguments give the same answer."""

    @property
    def steps(self) -> int:
        """Denoising steps of a picture."""
        ...

    @property
    def dimensions(self) -> int:
        """How many numbers a prompt's vector has."""
        ...

    def vector(self, prompt: str) -> Vector:
        """Where the prompt points."""
        ...

    def draw(self, prompt: str, seed: int, beginning: Beginning | None = None) -> Drawing:
        """The picture of a prompt."""
        ...

    def shows(self, drawing: str, prompt: str) -> bool:
        """Whether the drawing shows what the prompt asks for, by the judge."""
        ...
