"""Stand-ins for similarity: an encoder of words, and a judge that knows the answers."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from fakes import MemoryBlobStore

from app.cache.earned import EarningRule
from app.cache.index.contract import Vector
from app.cache.similar import BatchedEncoder, Namespace, SimilarCache, SimilarityPolicy, SimilarQuestion
from app.cache.similar.rows import SimilarRows
from app.generation import ImageFormat, Picture, Receipt
from app.telemetry.events import Observer, ignore

DIMENSIONS = 1024
LONGEST = 12
# Nine audits without an error earn it.
EASY = EarningRule(max_false_hit_rate=0.3)
OTHER_WORDS = ("here", "now", "today", "again", "inside", "alone", "asleep", "awake", "outside")
NEVER = EarningRule(max_false_hit_rate=0.0)


class WordEncoder:
    """An axis for each word: prompts are as similar as the words that they share.

    `batches` has the texts of every call; texts of more than a dozen words are too long.
    """

    dimensions = DIMENSIONS

    def __init__(self, revision: str = "words 1") -> None:
        self.revision = revision
        self.batches: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> list[Vector | None]:
        """A vector for each text that is not too long."""
        self.batches.append(list(texts))
        return [self._vector(text.lower().split()) for text in texts]

    def _vector(self, words: list[str]) -> Vector | None:
        if len(words) > LONGEST:
            return None
        total = np.zeros(DIMENSIONS)
        for word in words:
            total[zlib.crc32(word.encode()) % DIMENSIONS] += 1
        return (total / np.linalg.norm(total)).astype(np.float32)


class KnowingJudge:
    """Calls right what was not said to be `wrong`, by prompts; prompts with "mystery" it cannot judge."""

    def __init__(self) -> None:
        self.revision = "knowing"
        self.wrong: set[str] = set()
        self.asked: list[tuple[str, str]] = []

    def can_judge(self, prompt: str) -> bool:
        """Whether the prompt is no mystery."""
        return "mystery" not in prompt

    async def shows(self, blob_key: str, prompt: str) -> bool | None:
        """Whether the picture shows the prompt."""
        self.asked.append((blob_key, prompt))
        return prompt not in self.wrong


class SimilarBench:
    """A cache of similar prompts with everything that it touches in reach; `draw` decides who is audited."""

    def __init__(self, *, rule: EarningRule = EASY, blobs: MemoryBlobStore | None = None, **options: Any) -> None:
        self.blobs = blobs or MemoryBlobStore()
        self.encoder = options.pop("encoder", None) or WordEncoder()
        self.judge = KnowingJudge()
        self.draw = 0.99
        observe: Observer = options.pop("observe", ignore)
        policy = SimilarityPolicy(floors=options.pop("floors", (0.7,)), rule=rule)
        self.cache = SimilarCache(
            encoder=BatchedEncoder(self.encoder, max_wait_s=10),
            judge=self.judge,
            policy=lambda tenant: policy,
            blobs=self.blobs,
            rows=SimilarRows(self.blobs),
            max_entries=options.pop("max_entries", 100),
            draw=lambda: self.draw,
            observe=observe,
            **options,
        )

    async def add(self, prompt: str, *, tenant: str = "ann", revision: str = "1") -> Picture:
        """Remember a picture for the prompt."""
        picture = await drawn(self.blobs, f"{tenant}-{prompt.replace(' ', '-')}.png")
        await self.cache.add(asked(prompt, tenant=tenant, revision=revision), picture)
        await self.cache.rest()
        return picture

    async def earn(self, prompt: str = "a red cat", *, tenant: str = "ann") -> None:
        """Ask so often for other words of the prompt that similarity has earned its right."""
        for word in OTHER_WORDS:
            await self.cache.find(asked(f"{prompt} {word}", tenant=tenant))
            await self.cache.rest()

    async def hit_often(self, count: int) -> None:
        """So many audited hits, after which few need to be audited."""
        self.draw, draw = 0.0, self.draw
        for _ in range(count):
            await self.cache.find(asked("a red cat there"))
        self.draw = draw

    async def hits(self) -> int:
        """How many hits all bands have served."""
        return sum(band.hits for record in await self.cache.stats() for band in record.bands)


def asked(prompt: str, *, tenant: str = "ann", revision: str = "1", shape: str = "64x64") -> SimilarQuestion:
    """A question about similar prompts."""
    return SimilarQuestion(namespace=Namespace(tenant=tenant, revision=revision, shape=shape), prompt=prompt)


async def drawn(blobs: MemoryBlobStore, key: str) -> Picture:
    """A picture whose file is there."""
    await blobs.put(key, b"picture")
    receipt = Receipt(variant="sketch", steps=4, gpu_ms=10.0)
    return Picture(blob_key=key, width=64, height=64, image_format=ImageFormat.PNG, byte_count=7, receipt=receipt)
