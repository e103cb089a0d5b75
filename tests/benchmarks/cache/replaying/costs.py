"""What the parts of a picture take on this machine, by the engine's own cost model, and what look-ups take."""

import statistics
import time
from collections.abc import Callable

import numpy as np
from benchmarks.cache.replaying.artist import SIDE, BuiltinArtist

from app.cache.canonical import canonical_key
from app.cache.index import FlatIndex
from app.generation import PictureSpec, Task
from app.inference.engine.costs import CostModel, Shape
from app.inference.engine.memory import memory_of
from app.inference.engine.warming import Rehearsal
from app.inference.pipelines.contract import StepPipeline
from app.simulation.replay import DeviceCosts

REPEATS = 25
ENTRIES = 2000
PROMPT = "a red circle to the left of a blue square on a grey background"


def measured_costs(pipeline: StepPipeline, artist: BuiltinArtist) -> DeviceCosts:
    """Seconds of this processor's own time, so that what else runs here does not count."""
    costs = CostModel()
    Rehearsal(
        pipeline,
        variant="replayed",
        costs=costs,
        memory=memory_of("cpu"),
        clock=time.perf_counter,
        effort=time.process_time,
    ).perform((SIDE, SIDE), (1,))
    step_s, decode_s = (costs.effort(Shape(stage, SIDE, SIDE), 1) for stage in ("step", "decode"))
    if step_s is None or decode_s is None:
        raise LookupError("the rehearsal measured nothing")
    spec = _spec(artist.steps)
    encode_s = _median_s(lambda: pipeline.prepare(spec, pipeline.encode(spec), None))
    vectors = np.random.default_rng(0).standard_normal((ENTRIES, artist.dimensions)).astype(np.float32)
    index = FlatIndex(artist.dimensions)
    for number, vector in enumerate(vectors):
        index.put(str(number), vector)
    return DeviceCosts(
        encode_s=encode_s,
        step_s=step_s,
        decode_s=decode_s,
        steps=artist.steps,
        exact_s=_median_s(lambda: canonical_key(spec, tenant="somebody", revision="replayed")),
        similar_s=_median_s(lambda: pipeline.encode(spec)) + _median_s(lambda: index.nearest(vectors[0], 4)),
    )


def _median_s(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        started_s = time.process_time()
        work()
        taken.append(time.process_time() - started_s)
    return statistics.median(taken)


def _spec(steps: int) -> PictureSpec:
    return PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="replayed", prompt=PROMPT, width=SIDE, height=SIDE, native_width=SIDE,
        native_height=SIDE, steps=steps,
    )  # fmt: skip
