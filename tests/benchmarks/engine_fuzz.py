"""Does any schedule change a picture, lose a job, or stop the engine?

    PYTHONPATH=.:tests python tests/benchmarks/engine_fuzz.py [--schedules 10000] [--seed 0]

Random schedules on a tiny FLUX of random weights: jobs of two shapes, four lengths and three
urgencies arrive within a few steps of each other; some are cancelled, some are previewed, at some
steps the device says that it has no memory. Every second schedule runs on the engine's loop alone,
with step times drawn by lot so that every batch is formed at some time; the others run on the whole
engine, with its thread and its event loop, all calls at once. Printed: pictures that differ from the
one drawn alone, jobs lost or ended twice, and schedules that did not come to an end.
"""

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from fakes import MemoryBlobStore
from rich.console import Console
from rich.progress import track
from schedules import MAX_BATCH, Act, Schedule, ShortOfMemory, expected, play, random_schedule, tiny_pipeline

from app.errors import JobCancelledError
from app.generation import JobDrawn, JobFailed
from app.inference.engine.costs import CostModel
from app.inference.engine.front import StepEngine
from app.inference.engine.memory import HostMemory
from app.inference.engine.variant import EngineVariant
from app.inference.pictures import decode_picture
from app.storage import keys

STUCK_S = 60.0
TICK_S = 0.002


class LiveEngine:
    """The whole engine over the tiny pipeline."""

    def __init__(self) -> None:
        self._pipeline = ShortOfMemory(tiny_pipeline())
        self._blobs = MemoryBlobStore()
        variant = EngineVariant(
            pipeline=lambda: self._pipeline, costs=CostModel(), batch_sizes=tuple(range(1, MAX_BATCH + 1))
        )
        self.engine = StepEngine({"sketch": variant}, blobs=self._blobs, keys=keys, replica="fuzz", memory=HostMemory())

    async def play(self, schedule: Schedule) -> dict[str, bytes | JobFailed]:
        """How each job ended; raises TimeoutError when the engine is stuck."""
        self._pipeline.shortages, self._pipeline.taken = schedule.shortages, 0
        async with asyncio.timeout(STUCK_S):
            ends = await asyncio.gather(*(self._act(act) for act in schedule.acts))
        self._blobs.files.clear()
        return dict(zip((act.job.job_id for act in schedule.acts), ends, strict=True))

    async def _act(self, act: Act) -> bytes | JobFailed:
        await asyncio.sleep(act.at * TICK_S)
        if act.cancelled_at is not None:
            delay_s = (act.cancelled_at - act.at) * TICK_S
            asyncio.get_running_loop().call_later(delay_s, self.engine.cancel, act.job.job_id)
        ends = [event async for event in self.engine.run((act.job,)) if isinstance(event, JobDrawn | JobFailed)]
        if len(ends) != 1:
            raise RuntimeError(f"{act.job.job_id} ended {len(ends)} times")
        return ends[0] if isinstance(ends[0], JobFailed) else self._picture(ends[0])

    def _picture(self, drawn: JobDrawn) -> bytes:
        data = self._blobs.files[drawn.blob_key]
        return decode_picture(data, max_bytes=len(data), max_pixels=10**6).tobytes()


def verdict(schedule: Schedule, ends: Mapping[str, bytes | JobFailed]) -> Counter[str]:
    """What came of the jobs of one schedule, in words."""
    found: Counter[str] = Counter(schedules=1)
    for act in schedule.acts:
        found[_verdict(act, ends.get(act.job.job_id))] += 1
    return found


def _verdict(act: Act, end: bytes | JobFailed | None) -> str:
    if end is None:
        return "jobs lost"
    if isinstance(end, JobFailed):
        was_asked = act.cancelled_at is not None and isinstance(end.error, JobCancelledError)
        return "jobs cancelled" if was_asked else "jobs failed"
    return "pictures equal" if end == expected(act.job) else "pictures different"


def renamed(schedule: Schedule, prefix: str) -> Schedule:
    """The schedule with ids of its own."""
    acts = (replace(act, job=replace(act.job, job_id=f"{prefix}-{act.job.job_id}")) for act in schedule.acts)
    return replace(schedule, acts=tuple(acts))


async def run(count: int, seed: int) -> Counter[str]:
    """Play that many schedules and add up what came of them."""
    live, total = LiveEngine(), Counter[str]()
    for number in track(range(count), description="schedules", console=Console(stderr=True)):
        chance = random.Random(f"{seed} {number}")
        schedule = renamed(random_schedule(chance), str(number))
        try:
            ends = play(schedule, chance) if number % 2 else await live.play(schedule)
            total += verdict(schedule, ends)
        except (RuntimeError, TimeoutError) as error:
            total["schedules stuck"] += 1
            Console(stderr=True).print(f"schedule {number} of seed {seed}: {error!r}")
    live.engine.close()
    return total


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    total = asyncio.run(run(arguments.schedules, arguments.seed))
    outcomes = ("pictures equal", "jobs cancelled", "pictures different", "jobs failed", "jobs lost", "schedules stuck")
    print(f"{total['schedules']} schedules: " + ", ".join(f"{total[name]} {name}" for name in outcomes))


if __name__ == "__main__":
    main()
