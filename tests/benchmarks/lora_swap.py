"""What does a LoRA per request cost?

    PYTHONPATH=.:tests python tests/benchmarks/lora_swap.py [--source builtin:sketch] [--rank 8] [--repeats 40]

Two LoRAs of random weights, on every linear layer of the blocks, are laid over the same model in
three ways: strict (as served by default), fast (determinism: fast), and peft (the layers that
diffusers puts in the place of the model's own). Printed, in CPU milliseconds (median): reading a
LoRA into memory, putting one in the place of another, taking it away; then a step with none, one
and both by batch size, and its ratio to the step of a model that never had one in the same turn.
The ways take turns in random order, so that a busy machine slows all alike. Last: whether a step
without LoRAs gives, after all that, the bits that it gave before.
"""

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Protocol

import torch
from rich.console import Console
from rich.table import Table
from tiny_lora import write_lora

from app.generation import Lora, PictureSpec, Task
from app.inference.loader import load_model
from app.inference.loras.adapters import Adapters
from app.inference.loras.mounting import PassingHooks
from app.inference.loras.reading import denoiser_of
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.tuning import Tuning
from app.lora_files import LoraFolder

BATCHES = (1, 4, 8)


class Laying(Protocol):
    """A way to lay LoRAs over a model."""

    def read(self, lora: Lora) -> None:
        """Read a file that was not read before."""
        ...

    def forget(self) -> None:
        """Free the memory of what was read."""
        ...

    def activate(self, loras: tuple[Lora, ...]) -> None:
        """Let exactly these act."""
        ...


class Hooked:
    """Darkroom's way."""

    def __init__(self, parts: Any, folder: LoraFolder, *, strict: bool) -> None:
        def adapters() -> Adapters:
            mount = PassingHooks(denoiser_of(parts)[1], batch_invariant=strict)
            return Adapters(parts, mount=mount, folder=folder, max_loaded=8)

        self._adapters = adapters
        self._lasting = adapters()

    def read(self, lora: Lora) -> None:
        """Read a file as if for the first time."""
        self._adapters().load([lora])

    def forget(self) -> None:
        """Nothing is kept."""

    def activate(self, loras: tuple[Lora, ...]) -> None:
        """Let exactly these act."""
        self._lasting.activate(loras)


class Replaced:
    """The way of diffusers and peft."""

    def __init__(self, parts: Any, folder: LoraFolder) -> None:
        self._parts = parts
        self._folder = folder
        self._numbers = count()
        self._lasting: dict[str, str] = {}
        self._passing: list[str] = []

    def read(self, lora: Lora) -> None:
        """Read a file as if for the first time."""
        self._passing.append(self._load(lora))

    def forget(self) -> None:
        """Free the memory of what was read."""
        while self._passing:
            self._parts.delete_adapters(self._passing.pop())

    def activate(self, loras: tuple[Lora, ...]) -> None:
        """Let exactly these act."""
        for lora in loras:
            if lora.path not in self._lasting:
                self._lasting[lora.path] = self._load(lora)
        if loras:
            self._parts.enable_lora()
            self._parts.set_adapters([self._lasting[lora.path] for lora in loras], [lora.scale for lora in loras])
        elif self._lasting:
            self._parts.disable_lora()

    def _load(self, lora: Lora) -> str:
        name = f"number {next(self._numbers)}"
        self._parts.load_lora_weights(self._folder.path, weight_name=lora.path, adapter_name=name)
        return name


@dataclass
class Way:
    """A model with one way to lay LoRAs over it, if any, and the seconds of all that was timed, by name."""

    name: str
    determinism: str
    pipeline: StepPipeline
    laying: Laying | None
    states: list[SampleState]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], object]) -> None:
        """Do the work and note the processor's seconds."""
        started_s = process_time()
        work()
        self.seconds.setdefault(name, []).append(process_time() - started_s)

    def time_turn(self, sets: dict[str, tuple[Lora, ...]]) -> None:
        """One turn of everything."""
        if self.laying is None:
            self.time_steps("none")
            return
        ink, oil = sets["two"]
        self.time("read", lambda: self.laying.read(ink))
        self.laying.forget()
        self.laying.activate((oil,))
        self.time("other", lambda: self.laying.activate((ink,)))
        self.time("off", lambda: self.laying.activate(()))
        for name, loras in sets.items():
            self.laying.activate(loras)
            self.time_steps(name)

    def time_steps(self, name: str) -> None:
        """One step at every batch size."""
        for batch in BATCHES:
            self.time(f"{name} {batch}", lambda: self.pipeline.step(self.states[:batch]))  # noqa: B023 # called at once

    def latents(self) -> torch.Tensor:
        """What a step of the largest batch gives."""
        return torch.cat([state.latents for state in self.pipeline.step(self.states)])


def ways(source: str, folder: LoraFolder) -> Iterator[Way]:
    """A model for each way, and two without any."""
    for name, determinism in (
        ("never, strict", "strict"), ("never, fast", "fast"), ("strict", "strict"), ("fast", "fast"), ("peft", "fast")
    ):  # fmt: skip
        model = load_model(source, device="cpu", tuning=Tuning(determinism=determinism))
        pipeline: Any = model.pipeline
        states = first_states(pipeline, (model.manifest.native_sizes or ((1024, 1024),))[0])
        laying: Laying | None = None
        if name == "peft":
            laying = Replaced(pipeline.parts, folder)
        elif name == determinism:
            laying = Hooked(pipeline.parts, folder, strict=determinism == "strict")
        yield Way(name, determinism, pipeline, laying, states)


def first_states(pipeline: StepPipeline, size: tuple[int, int]) -> list[SampleState]:
    """The first states of the largest batch."""
    width, height = size
    spec = PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="sketch", prompt="a red circle", width=width, height=height,
        native_width=width, native_height=height, steps=4,
    )  # fmt: skip
    embedding = pipeline.encode(spec)
    return [pipeline.prepare(replace(spec, seed=seed), embedding, None) for seed in range(max(BATCHES))]


def swaps_table(measured: Sequence[Way]) -> Table:
    """What reading and switching takes."""
    table = Table(title="CPU ms")
    for heading in ("way", "read a file", "one for another", "take away"):
        table.add_column(heading, justify="right" if heading != "way" else "left")
    for way in measured:
        if way.laying is not None:
            table.add_row(way.name, *(f"{1000 * median(way.seconds[name]):.1f}" for name in ("read", "other", "off")))
    return table


def steps_table(measured: Sequence[Way]) -> Table:
    """What steps take, and their ratio to those of a model that never had a LoRA."""
    never = {way.determinism: way for way in measured if way.laying is None}
    table = Table(title="CPU ms of one step, and the ratio to a model that never had one")
    for heading in ("way", "batch", "never", "none", "one", "two"):
        table.add_column(heading, justify="right" if heading != "way" else "left")
    for way in measured:
        for batch in BATCHES if way.laying is not None else ():
            plain = never[way.determinism].seconds[f"none {batch}"]
            cells = [_cell(way.seconds[f"{name} {batch}"], plain) for name in ("none", "one", "two")]
            table.add_row(way.name, str(batch), f"{1000 * median(plain):.1f}", *cells)
    return table


def _cell(times: Sequence[float], plain: Sequence[float]) -> str:
    ratio = median(ours / theirs for ours, theirs in zip(times, plain, strict=True))
    return f"{1000 * median(times):.1f} ({ratio:.2f})"


def take_turns(measured: Sequence[Way], sets: dict[str, tuple[Lora, ...]], repeats: int) -> None:
    """Time everything so many times, after one turn that is forgotten; nothing acts in the end."""
    for turn in range(repeats + 1):
        for way in random.sample(measured, len(measured)):
            way.time_turn(sets)
        if turn == 0:
            for way in measured:
                way.seconds.clear()
    for way in measured:
        if way.laying is not None:
            way.laying.activate(())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="builtin:sketch")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as place:
        folder = LoraFolder(Path(place), 10**9)
        measured = list(ways(arguments.source, folder))
        layers = {"rank": arguments.rank, "within": lambda path: "blocks" in path}
        model: Any = load_model(arguments.source, device="cpu", tuning=Tuning(determinism="fast"))
        parts = model.pipeline.parts
        ink, oil = (write_lora(folder.path, f"{seed}.safetensors", parts, seed=seed, **layers) for seed in (1, 2))
        untouched = [way.latents() for way in measured]
        take_turns(measured, {"none": (), "one": (ink,), "two": (ink, oil)}, arguments.repeats)
        same = [torch.equal(way.latents(), before) for way, before in zip(measured, untouched, strict=True)]
        megabytes = (folder.path / ink.path).stat().st_size / 1e6
    console = Console(width=120)
    console.print(swaps_table(measured), steps_table(measured))
    verdicts = ", ".join(f"{way.name}: {equal}" for way, equal in zip(measured, same, strict=True))
    console.print(f"rank {arguments.rank}, {megabytes:.1f} MB a file. Without LoRAs the bits of before? {verdicts}")


if __name__ == "__main__":
    main()
