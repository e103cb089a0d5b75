"""An artist whose pictures show their prompts, or, begun late, those of their donors."""

from collections.abc import Callable

import numpy as np

from app.cache.index.contract import Vector
from app.simulation.replay import Beginning, DeviceCosts, Drawing
from app.simulation.workload import Ask, Change

COSTS = DeviceCosts(encode_s=1.0, step_s=1.0, decode_s=1.0, steps=10, exact_s=0.25, similar_s=0.5)
LATE = 5


def have_the_same_words(shown: str, prompt: str) -> bool:
    """Whether the prompts have the same words, in any order."""
    return sorted(shown.split()) == sorted(prompt.split())


class SimulatedArtist:
    """Prompts point in the direction of their letters; who begins after the middle shows the donor's prompt."""

    steps = 10
    dimensions = 26

    def __init__(self, *, shows: Callable[[str, str], bool] = have_the_same_words) -> None:
        self._shows = shows
        self._shown: dict[str, str] = {}

    def vector(self, prompt: str) -> Vector:
        """How often each letter occurs."""
        counts = [prompt.count(chr(ord("a") + place)) for place in range(self.dimensions)]
        vector = np.array(counts, np.float32)
        return vector / np.float32(np.linalg.norm(vector))

    def draw(self, prompt: str, seed: int, beginning: Beginning | None = None) -> Drawing:
        """A picture of a hundred bytes, with latents of a thousand."""
        way = "" if beginning is None else f" from {beginning.step} of {beginning.drawing}"
        key = f"{seed} {prompt}{way}"
        is_late = beginning is not None and beginning.step > LATE
        self._shown[key] = self._shown[beginning.drawing] if beginning is not None and is_late else prompt
        return Drawing(key=key, prompt=prompt, byte_count=100, latent_bytes=1000)

    def shows(self, drawing: str, prompt: str) -> bool:
        """Whether what it shows is what the prompt asks for."""
        return self._shows(self._shown[drawing], prompt)


def ask_of(
    number: int,
    arrival_s: float,
    prompt: str = "a red circle",
    *,
    caller: str = "",
    tenant: str = "t",
    seed: int | None = None,
    change: Change = Change.NEW,
) -> Ask:
    """A request of a caller of its own, unless one is named."""
    return Ask(
        number=number, arrival_s=arrival_s, tenant=tenant, caller=caller or f"caller {number}", prompt=prompt,
        seed=seed, drawn_seed=1000 + number if seed is None else seed, change=change,
    )  # fmt: skip
