"""A process that loads a compiled model, steps two pictures, and says as JSON what it found.

    python tests/compiled_start.py MODEL_FOLDER CACHE_FOLDER

`difference` is the largest to the latents of the model as it is, `alone` whether the second
picture has the bytes that it has without the first; `compiled` and `read` count programs that
were made anew and programs that came from the cache.
"""

import json
import sys
from dataclasses import replace

import torch
from torch._dynamo.utils import counters

from app.generation import PictureSpec, Task
from app.inference.loader import load_model
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.tuning import Tuning

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red circle", width=32, height=24,
    native_width=32, native_height=24, steps=2,
)  # fmt: skip


def begin(pipeline: StepPipeline, seed: int) -> SampleState:
    """The first state of the picture with that seed."""
    spec = replace(SPEC, seed=seed)
    return pipeline.prepare(spec, pipeline.encode(spec), None)


def main(folder: str, cache: str) -> None:
    """Load, step, and print."""
    torch.set_num_threads(1)
    tuning = Tuning(compile="default", compile_cache=cache)
    plain, compiled = (load_model(folder, device="cpu", tuning=each).pipeline for each in (Tuning(), tuning))
    together = compiled.step([begin(compiled, seed) for seed in (0, 1)])
    expected = plain.step([begin(plain, seed) for seed in (0, 1)])
    (alone,) = compiled.step([begin(compiled, 1)])
    pairs = zip(together, expected, strict=True)
    found = {
        "difference": max((ours.latents - theirs.latents).abs().max().item() for ours, theirs in pairs),
        "alone": torch.equal(together[1].latents, alone.latents),
        "compiled": counters["inductor"]["fxgraph_cache_miss"],
        "read": counters["inductor"]["fxgraph_cache_hit"],
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
