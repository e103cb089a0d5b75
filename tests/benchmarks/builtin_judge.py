"""How often does the judge err?

    python tests/benchmarks/builtin_judge.py [--scenes N]

Drawn scenes of all kinds and canvas sizes are judged against their own demand and against every
demand that differs from it in one respect, as drawn and degraded. Printed: false negatives, false
positives and CPU milliseconds per verdict.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from time import process_time

import numpy as np
from PIL import Image, ImageFilter
from rich.console import Console
from rich.table import Table

from app.builtin.contrast import contrasts
from app.builtin.demand import Demand
from app.builtin.grammar import sample_demand
from app.builtin.judge import compare
from app.builtin.perception import see
from app.builtin.render import ASPECTS, Pixels, place, render

Degradation = Callable[[Image.Image], Image.Image]


def jpeg(image: Image.Image) -> Image.Image:
    """The image after JPEG at quality 85."""
    encoded = BytesIO()
    image.save(encoded, "JPEG", quality=85)
    return Image.open(encoded).convert("RGB")


def enlarged(image: Image.Image) -> Image.Image:
    """The image four times larger by bicubic interpolation."""
    return image.resize((4 * image.width, 4 * image.height), Image.Resampling.BICUBIC)


DEGRADATIONS: dict[str, Degradation] = {
    "as drawn": lambda image: image,
    "blur, radius 1": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "JPEG 85": jpeg,
    "x4 bicubic": enlarged,
    "x4 bicubic, JPEG 85": lambda image: jpeg(enlarged(image)),
}


def scenes(count: int) -> list[tuple[Demand, Pixels]]:
    """Demands of all kinds, drawn on all canvas sizes in turn."""
    rng = np.random.default_rng(7)
    demands = [sample_demand(rng) for _ in range(count)]
    return [
        (demand, render(place(demand, rng, *ASPECTS[index % len(ASPECTS)]))) for index, demand in enumerate(demands)
    ]


def report(drawn: list[tuple[Demand, Pixels]], degradation: Degradation) -> list[str]:
    """Scenes refused, near misses accepted, milliseconds per picture, and near misses by respect."""
    rng = np.random.default_rng(8)
    refused, seconds, accepted, tried = 0, 0.0, Counter[str](), Counter[str]()
    for demand, pixels in drawn:
        picture = np.asarray(degradation(Image.fromarray(pixels)))
        started = process_time()
        sighting = see(picture)
        refused += not compare(sighting, demand).right
        seconds += process_time() - started
        for respect, other in contrasts(demand, rng).items():
            tried[respect] += 1
            accepted[respect] += compare(sighting, other).right
    by_respect = ", ".join(f"{respect} {accepted[respect]}/{tried[respect]}" for respect in sorted(tried))
    shares = f"{refused}/{len(drawn)}", f"{accepted.total()}/{tried.total()}"
    return [*shares, f"{1000 * seconds / len(drawn):.1f}", by_respect]


def main() -> None:
    """Print one row for each degradation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1500)
    drawn = scenes(parser.parse_args().scenes)
    table = Table("pictures", "scenes refused", "near misses accepted", "CPU ms", "accepted, by respect")
    for name, degradation in DEGRADATIONS.items():
        table.add_row(name, *report(drawn, degradation))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
