"""What do equal bytes in every batch cost?

    python tests/benchmarks/engine_determinism.py [--source builtin:sketch] [--repeats 40]

Eight samples of different seeds and prompts are stepped alone and in batches of 1, 4 and 8 by the
same weights in three ways: plain (as diffusers computes), strict (batch-invariant, as served), and
int8 (batch-invariant with eight-bit blocks). The three take turns, so that a busy machine slows all
alike. Printed: CPU milliseconds of one step (median), the ratio to plain, the largest difference
between a sample's latents in the batch and alone, and the same for whole pictures in levels of 255.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import process_time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from app.generation import PictureSpec, Task
from app.inference.loader import load_model
from app.inference.pictures import Pixels
from app.inference.pipelines.contract import SampleState, StepPipeline

BATCHES = (1, 4, 8)
PROMPTS = ("a red circle", "two blue squares", "a green star above a yellow square", "a purple heart")
STEPS = 4


@dataclass
class Way:
    """One way to run the transformer, with the seconds that its steps took by batch size."""

    name: str
    pipeline: StepPipeline
    seconds: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in BATCHES})

    def begin(self, size: tuple[int, int]) -> list[SampleState]:
        """The first states of eight samples."""
        return [self._begin(seed, *size) for seed in range(max(BATCHES))]

    def _begin(self, seed: int, width: int, height: int) -> SampleState:
        prompt = PROMPTS[seed % len(PROMPTS)]
        spec = PictureSpec(
            task=Task.TEXT_TO_IMAGE, variant=self.name, prompt=prompt, width=width, height=height,
            native_width=width, native_height=height, steps=STEPS, seed=seed,
        )  # fmt: skip
        return self.pipeline.prepare(spec, self.pipeline.encode(prompt, width, height), None)

    def time_steps(self, states: Sequence[SampleState]) -> None:
        """One step at every batch size."""
        for size in BATCHES:
            started_s = process_time()
            self.pipeline.step(states[:size])
            self.seconds[size].append(process_time() - started_s)

    def draw(self, states: Sequence[SampleState]) -> tuple[list[torch.Tensor], list[Pixels]]:
        """Latents and pictures after all steps as one batch."""
        for _ in range(STEPS):
            states = self.pipeline.step(states)
        return [state.latents for state in states], [self.pipeline.decode(state) for state in states]

    def differences(self, states: Sequence[SampleState], size: int) -> tuple[float, int, int]:
        """Largest difference in latents, in levels, and how many bytes differ, between batch and alone."""
        latents, pictures = self.draw(states[:size])
        alone = [self.draw([state]) for state in states[:size]]
        in_latents = max((ours - theirs[0][0]).abs().max().item() for ours, theirs in zip(latents, alone, strict=True))
        levels = np.stack(pictures).astype(int) - np.stack([theirs[1][0] for theirs in alone])
        return in_latents, int(np.abs(levels).max()), int(np.count_nonzero(levels))


def table_of(ways: Sequence[Way], size: tuple[int, int]) -> Table:
    """The findings, one row per way and batch size."""
    table = Table(title=f"{size[0]} x {size[1]}, {STEPS} steps, {torch.get_num_threads()} thread")
    for heading in ("way", "batch", "step, ms", "to plain", "latents differ by", "levels", "bytes"):
        table.add_column(heading, justify="right" if heading != "way" else "left")
    for way in ways:
        states = way.begin(size)
        for batch in BATCHES:
            taken_s, plain_s = (statistics.median(each.seconds[batch]) for each in (way, ways[0]))
            latents, levels, count = way.differences(states, batch)
            row = (
                way.name,
                batch,
                f"{1000 * taken_s:.1f}",
                f"{taken_s / plain_s:.2f}",
                f"{latents:.1e}",
                levels,
                count,
            )
            table.add_row(*map(str, row))
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="builtin:sketch")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    plain = load_model(arguments.source, batch_invariant=False)
    strict, int8 = load_model(arguments.source), load_model(arguments.source, quantization="int8")
    named = {"plain": plain, "strict": strict, "int8": int8}
    ways = [Way(name, model.pipeline) for name, model in named.items()]
    size = (plain.manifest.native_sizes or ((1024, 1024),))[0]
    starts = [way.begin(size) for way in ways]
    for way, states in zip(ways, starts, strict=True):
        way.draw(states)
    for _ in range(arguments.repeats):
        for way, states in zip(ways, starts, strict=True):
            way.time_steps(states)
    Console(width=120).print(table_of(ways, size))
    weights = (f"{name} {model.weight_bytes / 1e6:.1f} MB" for name, model in named.items())
    Console(width=120).print("weights in memory: " + ", ".join(weights))


if __name__ == "__main__":
    main()
