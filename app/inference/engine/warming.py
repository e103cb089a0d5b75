"""Makes a model warm, and measures what its work takes while doing so."""

from collections.abc import Callable, Sequence

from PIL import Image

from app.errors import DarkroomError
from app.generation import PictureSpec, Task
from app.inference.engine.costs import CostModel, Shape
from app.inference.engine.memory import DeviceMemory
from app.inference.pipelines.contract import SampleState, StepPipeline

REPEATS = 3
# Some schedulers have no schedule of a single step.
FEWEST_STEPS = 2


class Rehearsal:
    """Draws what a variant may be asked for before anybody asks; for the thread that owns the device."""

    def __init__(
        self,
        pipeline: StepPipeline,
        *,
        variant: str,
        costs: CostModel,
        memory: DeviceMemory,
        clock: Callable[[], float],
        effort: Callable[[], float],
    ) -> None:
        self._pipeline = pipeline
        self._variant = variant
        self._costs = costs
        self._memory = memory
        self._clock = clock
        self._effort = effort

    def perform(self, size: tuple[int, int], batch_sizes: Sequence[int]) -> None:
        """Encode, prepare, decode, and step at every batch size; what the costs know already is done only once."""
        state = self._first_state(size)
        for batch in batch_sizes:
            self._step(size, state, batch)
        self._timed(size, "decode", 1, lambda: self._pipeline.decode(state))

    def _first_state(self, size: tuple[int, int]) -> SampleState:
        """From a picture where the model can start from one, so that image-to-image is warm too."""
        try:
            return self._prepared(size, Task.IMAGE_TO_IMAGE, Image.new("RGB", size))
        except DarkroomError:
            return self._prepared(size, Task.TEXT_TO_IMAGE, None)

    def _prepared(self, size: tuple[int, int], task: Task, source: Image.Image | None) -> SampleState:
        width, height = size
        spec = PictureSpec(
            task=task, variant=self._variant, width=width, height=height, native_width=width, native_height=height,
            steps=FEWEST_STEPS,
        )  # fmt: skip
        return self._pipeline.prepare(spec, self._pipeline.encode(spec), source)

    def _step(self, size: tuple[int, int], state: SampleState, batch: int) -> None:
        shape, states = Shape("step", *size), [state] * batch
        if self._costs.bytes(shape, batch) is None or not self._costs.knows(shape, batch):
            _, needed = self._memory.rehearse(lambda: self._pipeline.step(states))
            self._costs.observe_bytes(shape, batch, needed)
        self._timed(size, "step", batch, lambda: self._pipeline.step(states))

    def _timed(self, size: tuple[int, int], stage: str, batch: int, work: Callable[[], object]) -> None:
        shape = Shape(stage, *size)
        repeats = 1 if self._costs.knows(shape, batch) else 1 + REPEATS
        for repeat in range(repeats):
            started_s, spent_s = self._clock(), self._effort()
            work()
            if repeat:
                self._costs.observe(shape, batch, self._clock() - started_s)
                self._costs.observe_effort(shape, batch, self._effort() - spent_s)
