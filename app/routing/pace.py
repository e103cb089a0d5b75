"""How long a picture takes from its first step to its last, measured."""

from collections import deque

from app.generation import PictureSpec

RECENT = 64


class Pace:
    """The seconds that a step takes for each of its pixels, over the pictures drawn last.

    They are wall seconds on a replica that others share: what a picture waits for once it has begun.
    """

    def __init__(self) -> None:
        self._drawn: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._seconds_each = 0.0

    def record(self, spec: PictureSpec, seconds: float) -> None:
        """Note that the picture was drawn in so many seconds."""
        self._drawn.append((work_of(spec), seconds))
        self._seconds_each = sum(seconds for _, seconds in self._drawn) / sum(work for work, _ in self._drawn)

    def seconds_for(self, spec: PictureSpec) -> float:
        """How long the picture will take, by what others took; zero while nothing was drawn."""
        return work_of(spec) * self._seconds_each


def work_of(spec: PictureSpec) -> int:
    """How much there is to do for the picture: its steps times its pixels."""
    return spec.steps * spec.native_width * spec.native_height
