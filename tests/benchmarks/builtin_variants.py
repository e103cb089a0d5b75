"""How good, how fast and how large are the built-in model's variants, and what does each speed-up change?

    python tests/benchmarks/builtin_variants.py [--prompts 300] [--speed-up-prompts 60]
                                                [--gallery app/builtin/gallery.png]

Each variant of configs/local.yaml draws prompts that its training never saw, an equal
number of every kind, in all native sizes, at the variant's default steps; the judge counts
the pictures that show what their prompt says. Then the first variant draws with one speed-up
after the other, in its first native size: how often a picture asked the network, how many
levels of 255 it is off from the same picture without the speed-up, and whether eight pictures
stepped together have the bytes that each has alone. Times are CPU milliseconds of one thread
for one picture alone: text encoding, denoising and decoding. `--gallery` saves pictures of the
first variant, one prompt of each kind in every native size.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.builtin.demand import KINDS
from app.builtin.grammar import sample_prompt
from app.builtin.judge import judge
from app.config import VariantSettings, load_settings
from app.generation import PictureSpec, Task
from app.inference.loader import LoadedModel, load_variant
from app.inference.pictures import Pixels
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.pipelines.wrapping import WrappedPipeline
from app.inference.sources import find_folder
from app.inference.step_cache import StepCache

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "local.yaml"
PROMPT_SEED = 2026
GAP = 8
BATCH = 8
MANY_STEPS = 28

# Each line names the line that it is compared with, and what it sets besides.
SPEED_UPS: dict[str, tuple[str | None, dict[str, object]]] = {
    "as it is": (None, {}),
    "determinism: fast": ("as it is", {"determinism": "fast"}),
    "attention: _native_math": ("as it is", {"attention": "_native_math"}),
    "dtype: bfloat16": ("as it is", {"dtype": "bfloat16"}),
    "quantization: int8": ("as it is", {"quantization": "int8"}),
    "compile: default": ("as it is", {"compile": "default"}),
    "compile: default, fast": ("as it is", {"compile": "default", "determinism": "fast"}),
    "28 steps": (None, {"default_steps": MANY_STEPS}),
    "step_cache: 0.02": ("28 steps", {"default_steps": MANY_STEPS, "step_cache": 0.02}),
    "step_cache: 0.05": ("28 steps", {"default_steps": MANY_STEPS, "step_cache": 0.05}),
    "step_cache: 0.1": ("28 steps", {"default_steps": MANY_STEPS, "step_cache": 0.1}),
}


@dataclass(slots=True)
class Score:
    """What one variant reached: pictures, those judged right by kind, and CPU seconds per picture."""

    right: dict[str, list[bool]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    seconds: list[float] = field(default_factory=list)
    pictures: list[Pixels] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of all pictures that were judged right."""
        return statistics.mean(right for kind in self.right.values() for right in kind)

    def milliseconds(self, share: float) -> str:
        """CPU milliseconds within which that share of the pictures was drawn."""
        return f"{1000 * sorted(self.seconds)[int(share * len(self.seconds))]:.0f}"

    def levels_from(self, other: "Score") -> str:
        """The mean distance of its pictures from the same ones of another score, in levels of 255."""
        pairs = zip(self.pictures, other.pictures, strict=True)
        return f"{statistics.mean(np.abs(ours.astype(int) - theirs).mean() for ours, theirs in pairs):.2f}"


class Counted(WrappedPipeline):
    """A pipeline that counts the samples that it stepped."""

    stepped = 0

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """The inner pipeline's step."""
        self.stepped += len(states)
        return super().step(states)


def main() -> None:
    """Score every variant and every speed-up, and print the tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--speed-up-prompts", type=int, default=60)
    parser.add_argument("--gallery", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    variants = {
        name: settings.model_copy(update={"device": "cpu"}) for name, settings in load_settings(CONFIG).variants.items()
    }
    console = Console(width=140)
    if arguments.prompts:
        console.print(table_of_variants(variants, arguments.prompts))
    if arguments.speed_up_prompts:
        console.print(table_of_speed_ups(next(iter(variants.values())), arguments.speed_up_prompts))
    if arguments.gallery is not None:
        save_gallery(next(iter(variants.values())), arguments.gallery)


def table_of_variants(variants: dict[str, VariantSettings], count: int) -> Table:
    """One line per variant, with its quality by kind of prompt."""
    table = Table("variant", "steps", "judged right", *KINDS, "p50 ms", "p90 ms", "MB on disk", "MB in memory")
    table.title = f"{count} unseen prompts, one CPU thread, fp32 activations"
    for name, variant in variants.items():
        model = load_variant(variant)
        result = score(model.pipeline, list(specs_of(variant, variant.native_sizes, count)), label=name)
        kinds = [f"{statistics.mean(result.right[kind]):.0%}" for kind in KINDS]
        times = result.milliseconds(0.5), result.milliseconds(0.9)
        megabytes = _mb(_on_disk(variant)), _mb(model.weight_bytes)
        table.add_row(name, str(variant.default_steps), f"{result.share:.1%}", *kinds, *times, *megabytes)
    return table


def table_of_speed_ups(plain: VariantSettings, count: int) -> Table:
    """One line per speed-up of one variant."""
    headings = ("asked", "judged right", "levels off", "p50 ms", "MB in memory", f"batch of {BATCH} against alone")
    table = Table("speed-up", *headings, title=f"{count} unseen prompts, {plain.source}")
    scores: dict[str, Score] = {}
    for name, (reference, changes) in SPEED_UPS.items():
        settings = VariantSettings.model_validate(plain.model_dump() | changes)
        model = load_variant(settings)
        pipeline, counter = counted(model)
        specs = list(specs_of(settings, settings.native_sizes[:1], count))
        pipeline.step([begin(pipeline, specs[0][1])])  # compiles, where that is wanted
        counter.stepped = 0
        result = scores[name] = score(pipeline, specs, label=name)
        asked = f"{counter.stepped / count:.1f} of {settings.default_steps}"
        levels = result.levels_from(scores[reference]) if reference is not None else ""
        company = difference_in_company(pipeline, [spec for _, spec in specs[:BATCH]])
        megabytes = _mb(model.weight_bytes)
        table.add_row(name, asked, f"{result.share:.1%}", levels, result.milliseconds(0.5), megabytes, company)
    return table


def specs_of(
    variant: VariantSettings, sizes: Sequence[tuple[int, int]], count: int
) -> Iterator[tuple[str, PictureSpec]]:
    """`count` held-out prompts with their kinds, in turn of every kind and size."""
    rng = np.random.default_rng(PROMPT_SEED)
    for number in range(count):
        kind, size = KINDS[number % len(KINDS)], sizes[number // len(KINDS) % len(sizes)]
        _, prompt = sample_prompt(rng, held_out=True, kind=kind)
        yield kind, spec_of(prompt, size, steps=variant.default_steps, seed=number)


def spec_of(prompt: str, size: tuple[int, int], *, steps: int, seed: int) -> PictureSpec:
    """A picture drawn to size."""
    width, height = size
    return PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="", prompt=prompt, width=width, height=height,
        native_width=width, native_height=height, steps=steps, seed=seed,
    )  # fmt: skip


def score(pipeline: StepPipeline, specs: Sequence[tuple[str, PictureSpec]], *, label: str) -> Score:
    """Draw and judge every spec."""
    result = Score()
    for kind, spec in track(specs, description=label, console=Console(file=sys.stderr)):
        began_s = time.process_time()
        picture = pipeline.decode(finish(pipeline, [begin(pipeline, spec)])[0])
        result.seconds.append(time.process_time() - began_s)
        verdict = judge(picture, spec.prompt)
        result.right[kind].append(verdict is not None and verdict.right)
        result.pictures.append(picture)
    return result


def begin(pipeline: StepPipeline, spec: PictureSpec) -> SampleState:
    """The state before the first step."""
    return pipeline.prepare(spec, pipeline.encode(spec), None)


def finish(pipeline: StepPipeline, states: list[SampleState]) -> list[SampleState]:
    """The states after all of their steps, taken together."""
    while states[0].steps_left:
        states = pipeline.step(states)
    return states


def counted(model: LoadedModel) -> tuple[StepPipeline, Counted]:
    """The model's pipeline, and what counts how often its network is asked."""
    if isinstance(model.pipeline, StepCache):
        model.pipeline.inner = counter = Counted(model.pipeline.inner)
        return model.pipeline, counter
    counter = Counted(model.pipeline)
    return counter, counter


def difference_in_company(pipeline: StepPipeline, specs: Sequence[PictureSpec]) -> str:
    """Whether pictures stepped together have the bytes that each has alone."""
    together = finish(pipeline, [begin(pipeline, spec) for spec in specs])
    alone = [finish(pipeline, [begin(pipeline, spec)])[0] for spec in specs]
    pairs = [(ours.latents, theirs.latents) for ours, theirs in zip(together, alone, strict=True)]
    if all(torch.equal(*pair) for pair in pairs):
        return "equal bytes"
    return f"latents differ by {max((ours - theirs).abs().max().item() for ours, theirs in pairs):.0e}"


def save_gallery(variant: VariantSettings, path: Path) -> None:
    """Draw one prompt of each kind in every native size."""
    pipeline, rng = load_variant(variant).pipeline, np.random.default_rng(PROMPT_SEED)
    cell = max(max(size) for size in variant.native_sizes) + GAP
    sheet = Image.new("RGB", (cell * len(KINDS), cell * len(variant.native_sizes)), "gainsboro")
    for row, size in enumerate(variant.native_sizes):
        for column, kind in enumerate(KINDS):
            _, prompt = sample_prompt(rng, held_out=True, kind=kind)
            state = begin(pipeline, spec_of(prompt, size, steps=variant.default_steps, seed=row))
            picture = Image.fromarray(pipeline.decode(finish(pipeline, [state])[0]))
            place = (cell * column + (cell - size[0]) // 2, cell * row + (cell - size[1]) // 2)
            sheet.paste(picture, place)
    sheet.save(path, optimize=True)


def _on_disk(variant: VariantSettings) -> int:
    return sum(path.stat().st_size for path in find_folder(variant.source).rglob("*") if path.is_file())


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f}"


if __name__ == "__main__":
    main()
