"""How good, how fast and how large are the built-in model's variants?

    python tests/benchmarks/builtin_variants.py [--prompts 300] [--gallery app/builtin/gallery.png]

Each variant of configs/local.yaml draws prompts that its training never saw, an equal
number of every kind, in all native sizes, at the variant's default steps; the judge counts
the pictures that show what their prompt says. Latency is that of one picture alone on one
CPU thread: text encoding, denoising and decoding. `--gallery` saves pictures of the first
variant, one prompt of each kind in every native size.
"""

import argparse
import statistics
import sys
import time
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
from app.inference.loader import LoadedModel, find_folder, load_model
from app.inference.pictures import Pixels

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "local.yaml"
PROMPT_SEED = 2026
GAP = 8


@dataclass(slots=True)
class Score:
    """What one variant reached: pictures judged right by kind, and seconds per picture."""

    right: dict[str, list[bool]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    latencies_s: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of all pictures that were judged right."""
        return statistics.mean(right for kind in self.right.values() for right in kind)


def main() -> None:
    """Score every variant and print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--gallery", type=Path)
    arguments = parser.parse_args()
    count = arguments.prompts
    torch.set_num_threads(1)
    console = Console(width=140)
    table = Table("variant", "steps", "judged right", *KINDS, "p50 ms", "p90 ms", "MB on disk", "MB in memory")
    for name, variant in load_settings(CONFIG).variants.items():
        model = load_model(variant.source, device="cpu", dtype=variant.dtype, quantization=variant.quantization)
        table.add_row(name, str(variant.default_steps), *_row(score(model, variant, count), model, variant))
    if arguments.gallery is not None:
        save_gallery(arguments.gallery)
    table.title = f"{count} unseen prompts, one CPU thread, fp32 activations"
    console.print(table)


def score(model: LoadedModel, variant: VariantSettings, count: int) -> Score:
    """Draw and judge `count` held-out prompts."""
    rng = np.random.default_rng(PROMPT_SEED)
    result = Score()
    for number in track(range(count), description=variant.source, console=Console(file=sys.stderr)):
        kind = KINDS[number % len(KINDS)]
        size = variant.native_sizes[number // len(KINDS) % len(variant.native_sizes)]
        _, prompt = sample_prompt(rng, held_out=True, kind=kind)
        began_s = time.perf_counter()
        picture = draw(model, prompt, size=size, steps=variant.default_steps, seed=number)
        result.latencies_s.append(time.perf_counter() - began_s)
        verdict = judge(picture, prompt)
        result.right[kind].append(verdict is not None and verdict.right)
    return result


def draw(model: LoadedModel, prompt: str, *, size: tuple[int, int], steps: int, seed: int) -> Pixels:
    """One picture, alone."""
    width, height = size
    spec = PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="", prompt=prompt, width=width, height=height,
        native_width=width, native_height=height, steps=steps, seed=seed,
    )  # fmt: skip
    state = model.pipeline.prepare(spec, model.pipeline.encode(prompt, width, height), None)
    for _ in range(steps):
        (state,) = model.pipeline.step([state])
    return model.pipeline.decode(state)


def save_gallery(path: Path) -> None:
    """Draw one prompt of each kind in every native size of the first variant."""
    variant = next(iter(load_settings(CONFIG).variants.values()))
    model, rng = load_model(variant.source, device="cpu"), np.random.default_rng(PROMPT_SEED)
    cell = max(max(size) for size in variant.native_sizes) + GAP
    sheet = Image.new("RGB", (cell * len(KINDS), cell * len(variant.native_sizes)), "gainsboro")
    for row, size in enumerate(variant.native_sizes):
        for column, kind in enumerate(KINDS):
            _, prompt = sample_prompt(rng, held_out=True, kind=kind)
            picture = Image.fromarray(draw(model, prompt, size=size, steps=variant.default_steps, seed=row))
            place = (cell * column + (cell - size[0]) // 2, cell * row + (cell - size[1]) // 2)
            sheet.paste(picture, place)
    sheet.save(path, optimize=True)


def _row(result: Score, model: LoadedModel, variant: VariantSettings) -> list[str]:
    ordered = sorted(result.latencies_s)
    kinds = [f"{statistics.mean(result.right[kind]):.0%}" for kind in KINDS]
    latencies = [f"{1000 * ordered[int(share * len(ordered))]:.0f}" for share in (0.5, 0.9)]
    return [f"{result.share:.1%}", *kinds, *latencies, _mb(_on_disk(variant)), _mb(model.weight_bytes)]


def _on_disk(variant: VariantSettings) -> int:
    return sum(path.stat().st_size for path in find_folder(variant.source).rglob("*") if path.is_file())


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f}"


if __name__ == "__main__":
    main()
