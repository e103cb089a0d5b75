"""What a question about similar prompts costs, and how soon a process that starts anew knows what another one knew.

    python tests/benchmarks/cache/similar.py [--encoder SOURCE]

Entries are prompts of the built-in model's language, each of which is asked about in other words: prompts that the
encoder has not seen, one after the other and many at once. Nothing is drawn, and the judge says yes to everything, so
that what is measured is the look-up alone. Loading reads one file for each entry from a folder.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.builtin.grammar import phrase, sample_demand
from app.cache.earned import EarningRule
from app.cache.similar import BatchedEncoder, Encoder, Namespace, SimilarCache, SimilarityPolicy, SimilarQuestion
from app.cache.similar.rows import SimilarRows
from app.generation import ImageFormat, Picture, Receipt
from app.inference.text_encoding import load_text_encoder
from app.storage.blobs import LocalBlobStore

SIZES = (1_000, 10_000)
QUESTIONS = 400
AT_ONCE = 32
POLICY = SimilarityPolicy(floors=(0.9,), rule=EarningRule(max_false_hit_rate=0.05))
NAMESPACE = Namespace(tenant="ann", revision="1", shape="64x64")
PICTURE = Picture(
    blob_key="picture.png",
    width=64,
    height=64,
    image_format=ImageFormat.PNG,
    byte_count=1000,
    receipt=Receipt(variant="sketch", steps=4, gpu_ms=30.0),
)


class Agreeable:
    """A judge whom every picture pleases."""

    revision = "agreeable"

    def can_judge(self, prompt: str) -> bool:
        """Every prompt."""
        return True

    async def shows(self, blob_key: str, prompt: str) -> bool:
        """Every picture."""
        return True


def prompts(count: int, *, seed: int) -> list[str]:
    """So many different prompts."""
    rng, found = np.random.default_rng(seed), dict[str, None]()
    while len(found) < count:
        found[phrase(sample_demand(rng), rng)] = None
    return list(found)


def opened(encoder: Encoder, blobs: LocalBlobStore) -> SimilarCache:
    """A process that knows nothing yet."""
    return SimilarCache(
        encoder=BatchedEncoder(encoder, max_wait_s=60),
        judge=Agreeable(),
        policy=lambda tenant: POLICY,
        blobs=blobs,
        rows=SimilarRows(blobs),
        max_entries=1_000_000,
        max_pending=1_000_000,
    )


def asked(prompt: str) -> SimilarQuestion:
    """The question."""
    return SimilarQuestion(namespace=NAMESPACE, prompt=prompt)


async def timed_ms(work: Callable[[], Awaitable[object]]) -> float:
    """How long the work takes."""
    started_s = time.perf_counter()
    await work()
    return (time.perf_counter() - started_s) * 1000


async def measured(encoder: Encoder, size: int, folder: Path) -> list[str]:
    """One row of the table."""
    blobs = LocalBlobStore(folder)
    await blobs.put(PICTURE.blob_key, b"picture")
    first = opened(encoder, blobs)
    for prompt in prompts(size, seed=1):
        await first.add(asked(prompt), PICTURE)
    await first.close()
    second = opened(encoder, blobs)
    await second.find(asked("a red circle"))
    loading_ms = await timed_ms(second.rest)
    questions = prompts(2 * QUESTIONS, seed=2)
    alone_ms = [await timed_ms(partial(second.find, asked(prompt))) for prompt in questions[:QUESTIONS]]
    room, cpu_s = asyncio.Semaphore(AT_ONCE), time.process_time()

    async def in_company(prompt: str) -> float:
        async with room:
            return await timed_ms(partial(second.find, asked(prompt)))

    together_ms = await asyncio.gather(*(in_company(prompt) for prompt in questions[QUESTIONS:]))
    await second.rest()
    cpu_ms = (time.process_time() - cpu_s) * 1000 / QUESTIONS
    memory = (await second.stats())[0].memory_bytes
    await second.close()
    return [
        f"{size:,}",
        *(f"{np.percentile(taken, share):.1f}" for taken in (alone_ms, together_ms) for share in (50, 99)),
        f"{cpu_ms:.2f}",
        f"{loading_ms / 1000:.1f}",
        f"{memory / 1e6:.0f}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="builtin:sketch", help="as cache.similar.encoder")
    source = parser.parse_args().encoder
    encoder = load_text_encoder(source)
    columns = ("entries", "alone p50 ms", "p99", f"{AT_ONCE} at once p50 ms", "p99", "CPU ms each", "loaded in s", "MB")
    table = Table(*columns, title=f"Questions about similar prompts, encoder {source}, {encoder.dimensions} dimensions")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            table.add_row(*asyncio.run(measured(encoder, size, Path(folder))))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
