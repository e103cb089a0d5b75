"""One step at a time: what the engine does next, decided anew at every step boundary."""

from collections.abc import Callable, Mapping
from itertools import takewhile

from app.errors import DarkroomError
from app.generation import BatchKey, JobFailed
from app.inference.engine.artist import Artist
from app.inference.engine.costs import step_of
from app.inference.engine.jobs import EngineJob, cancelled, failed
from app.inference.engine.memory import DeviceMemory
from app.inference.engine.selection import Limits, choose
from app.inference.engine.variant import EngineVariant
from app.telemetry.events import JobPaused, Observer


class StepLoop:
    """The jobs of one device, and the next thing to do for them; each `tick` does one thing. Not thread-safe.

    A denoised job is decoded before the next step, unless the most urgent one has yet to take its
    first. Otherwise the most urgent job and those of its like that are worth it take one step,
    and the rest keep their latents and wait: a more urgent job thus starts at the next step, and
    the paused ones go on later with the same bytes. To begin a job is a thing of its own, so that
    those which arrive meanwhile still share the step.
    """

    def __init__(
        self,
        artist: Artist,
        variants: Mapping[str, EngineVariant],
        *,
        memory: DeviceMemory,
        observe: Observer,
        clock: Callable[[], float],
    ) -> None:
        self._artist = artist
        self._variants = variants
        self._memory = memory
        self._observe = observe
        self._clock = clock
        self._jobs: set[EngineJob] = set()
        self._stepped: set[EngineJob] = set()

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, work: EngineJob) -> None:
        """Take a job in; it may begin with the next tick."""
        self._jobs.add(work)

    def tick(self) -> None:
        """Do one thing: decode a picture, begin a job, or take one step with a batch."""
        self._drop_cancelled()
        denoised = min((work for work in self._jobs if work.is_denoised), key=_urgency, default=None)
        if denoised is not None and not self._is_overtaken(denoised):
            self._artist.decode(denoised)
            self._leave(denoised)
        elif self._jobs:
            self._advance()

    def abandon(self, error: DarkroomError) -> None:
        """End every job with the error."""
        for work in tuple(self._jobs):
            self._leave(work)
            work.emit(JobFailed(job_id=work.job_id, error=error))

    def _advance(self) -> None:
        waiting = [work for work in tuple(self._jobs) if not work.is_denoised and self._can_run(work)]
        chosen = choose([work.candidate for work in waiting], self._limits(), now_s=self._clock())
        batch = [waiting[place] for place in chosen]
        new = next((work for work in batch if not work.has_begun), None)
        if new is not None:
            self._begin(new)
        elif batch:
            self._step(batch)

    def _begin(self, work: EngineJob) -> None:
        if not self._artist.begin(work):
            self._leave(work)

    def _step(self, batch: list[EngineJob]) -> None:
        self._note_paused(batch)
        moved = self._artist.step(batch)
        self._stepped = {work for work in moved if not work.is_denoised}
        for work in set(batch).difference(moved):
            self._leave(work)

    def _can_run(self, work: EngineJob) -> bool:
        """Whether its model is in memory, or can be now; a job for which it never can ends here."""
        try:
            return work.has_begun or self._variants[work.key.variant].has_room()
        except DarkroomError as error:
            self._leave(work)
            work.emit(failed(work.job, error))
            return False

    def _leave(self, work: EngineJob) -> None:
        self._jobs.discard(work)
        self._artist.leave(work)

    def _note_paused(self, batch: list[EngineJob]) -> None:
        for work in self._stepped.intersection(self._jobs).difference(batch):
            work.tally.pause(self._clock())
            step = 0 if work.state is None else work.state.step
            self._observe(JobPaused(job_id=work.job_id, variant=work.key.variant, step=step))

    def _is_overtaken(self, denoised: EngineJob) -> bool:
        ahead = [work for work in tuple(self._jobs) if not work.is_denoised and work.urgency < denoised.urgency]
        first = min((work for work in ahead if self._can_run(work)), key=_urgency, default=None)
        return first is not None and not first.has_stepped

    def _drop_cancelled(self) -> None:
        for work in [work for work in self._jobs if work.is_cancelled]:
            self._leave(work)
            work.emit(cancelled(work.job))

    def _limits(self) -> Limits:
        free = self._memory.free()
        return Limits(
            step_s=lambda key, size: self._variants[key.variant].costs.seconds(step_of(key), size),
            effort_s=lambda key, size: self._variants[key.variant].costs.effort(step_of(key), size),
            most=lambda key: self._most(key, free),
            sizes=lambda key: self._variants[key.variant].batch_sizes,
            is_stale=lambda key, size: self._variants[key.variant].costs.is_stale(step_of(key), size),
        )

    def _most(self, key: BatchKey, free: int) -> int:
        variant, step = self._variants[key.variant], step_of(key)
        fitting = takewhile(lambda size: (variant.costs.bytes(step, size) or 0) <= free, variant.batch_sizes)
        return max(fitting, default=1)


def _urgency(work: EngineJob) -> tuple[float, float, str]:
    return work.urgency
