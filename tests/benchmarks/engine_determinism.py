"""What do equal bytes in every batch cost?

    python tests/benchmarks/engine_determinism.py [--source builtin:sketch] [--repeats 100] [--threads 1]

Samples of different seeds and prompts are stepped in batches of 1, 2, 4 and 8 by the same weights in
three ways: plain (as diffusers computes), strict (batch-invariant, as served), and int8 (batch-invariant
with eight-bit blocks). The three take turns at every step, in random order, so that a busy machine
slows all alike. Printed: CPU milliseconds of one step (median), the median over the turns of the ratio to
plain with its quartiles, the largest difference between a sample's latents in the batch and alone, and
the same for whole pictures in levels of 255.
"""

import argparse
import random
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
from app.inference.tuning import Tuning

BATCHES = (1, 2, 4, 8)
PROMPTS = ("a red circle", "two blue squares", "a green star above a yellow square", "a purple heart")
STEPS = 4


@dataclass
class Way:
    """One way to run the network, with the seconds that its steps took by batch size, turn by turn."""

    name: str
    pipeline: StepPipeline
    seconds: dict[int, list[float]] = field(default_factory=lambda: {batch: [] for batch in BATCHES})

    def begin(self, size: tuple[int, int]) -> list[SampleState]:
        """The first states of eight samples."""
        return [self._begin(seed, *size) for seed in range(max(BATCHES))]

    def _begin(self, seed: int, width: int, height: int) -> SampleState:
        spec = PictureSpec(
            task=Task.TEXT_TO_IMAGE, variant=self.name, prompt=PROMPTS[seed % len(PROMPTS)], width=width, height=height,
            native_width=width, native_height=height, steps=STEPS, seed=seed,
        )  # fmt: skip
        return self.pipeline.prepare(spec, self.pipeline.encode(spec), None)

    def time_step(self, states: Sequence[SampleState], batch: int) -> None:
        """One step of the first states."""
        started_s = process_time()
        self.pipeline.step(states[:batch])
        self.seconds[batch].append(process_time() - started_s)

    def draw(self, states: Sequence[SampleState]) -> tuple[list[torch.Tensor], list[Pixels]]:
        """Latents and pictures after all steps as one batch."""
        for _ in range(STEPS):
            states = self.pipeline.step(states)
        return [state.latents for state in states], [self.pipeline.decode(state) for state in states]

    def differences(self, states: Sequence[SampleState], batch: int) -> tuple[float, int, int]:
        """Largest difference in latents, in levels, and how many bytes differ, between batch and alone."""
        latents, pictures = self.draw(states[:batch])
        alone = [self.draw([state]) for state in states[:batch]]
        in_latents = max((ours - theirs[0][0]).abs().max().item() for ours, theirs in zip(latents, alone, strict=True))
        levels = np.stack(pictures).astype(int) - np.stack([theirs[1][0] for theirs in alone])
        return in_latents, int(np.abs(levels).max()), int(np.count_nonzero(levels))

    def ratios_to(self, other: "Way", batch: int) -> tuple[float, float, float]:
        """Quartiles and, between them, the median of the time of a step over that of the other way in the same turn."""
        turns = zip(self.seconds[batch], other.seconds[batch], strict=True)
        low, median, high = statistics.quantiles([ours / theirs for ours, theirs in turns], n=4)
        return low, median, high


def take_turns(ways: Sequence[Way], starts: Sequence[Sequence[SampleState]], repeats: int) -> None:
    """Step every way at every batch size, each turn in random order; what is computed once is computed before."""
    chance = random.Random(0)
    contestants = list(zip(ways, starts, strict=True))
    for batch in BATCHES:
        for way, states in contestants:
            way.pipeline.step(states[:batch])
        for _ in range(repeats):
            chance.shuffle(contestants)
            for way, states in contestants:
                way.time_step(states, batch)


def table_of(ways: Sequence[Way], starts: Sequence[Sequence[SampleState]], title: str) -> Table:
    """The findings, one row per batch size and way."""
    table = Table(title=title)
    for heading in ("batch", "way", "step, ms", "to plain", "quartiles", "latents differ by", "levels", "bytes"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for batch in BATCHES:
        for way, states in zip(ways, starts, strict=True):
            low, median, high = way.ratios_to(ways[0], batch)
            latents, levels, count = way.differences(states, batch)
            row = (
                batch, way.name, f"{1000 * statistics.median(way.seconds[batch]):.1f}", f"{median:.3f}",
                f"{low:.3f} - {high:.3f}", f"{latents:.1e}", levels, count,
            )  # fmt: skip
            table.add_row(*map(str, row))
        table.add_section()
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="builtin:sketch")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    plain = load_model(arguments.source, tuning=Tuning(determinism="fast"))
    strict, int8 = load_model(arguments.source), load_model(arguments.source, tuning=Tuning(quantization="int8"))
    named = {"plain": plain, "strict": strict, "int8": int8}
    ways = [Way(name, model.pipeline) for name, model in named.items()]
    width, height = (plain.manifest.native_sizes or ((1024, 1024),))[0]
    starts = [way.begin((width, height)) for way in ways]
    take_turns(ways, starts, arguments.repeats)
    console = Console(width=120)
    console.print(table_of(ways, starts, f"{width} x {height}, {STEPS} steps, {arguments.threads} thread(s)"))
    weights = (f"{name} {model.weight_bytes / 1e6:.1f} MB" for name, model in named.items())
    console.print("weights in memory: " + ", ".join(weights))


if __name__ == "__main__":
    main()
