"""BatchedEncoder: what arrives while the encoder is busy is encoded together."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from similar_fakes import WordEncoder

from app.cache.index.contract import Vector
from app.cache.similar import BatchedEncoder


class HeldEncoder(WordEncoder):
    """Begins its first batch and ends it when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def encode(self, texts: Sequence[str]) -> list[Vector | None]:
        """Wait, then encode."""
        self.begun.set()
        self.may_end.wait(10)
        return super().encode(texts)


async def test_callers_share_batches() -> None:
    """Texts that arrive during the first batch are one batch after it, up to its limit; equal texts are one."""
    encoder = HeldEncoder()
    batched = BatchedEncoder(encoder, max_batch=3, max_wait_s=10)
    first = asyncio.create_task(batched.vector("first"))
    await asyncio.to_thread(encoder.begun.wait, 10)
    others = [asyncio.create_task(batched.vector(text)) for text in ("a", "b", "a", "c", "d")]
    await asyncio.sleep(0)
    encoder.may_end.set()
    vectors = await asyncio.gather(first, *others)
    await batched.close()

    assert encoder.batches == [["first"], ["a", "b", "c"], ["d"]]
    assert all(vector is not None for vector in vectors)


async def test_texts_are_remembered() -> None:
    """A text is encoded once, also one that is too long."""
    encoder = WordEncoder()
    batched = BatchedEncoder(encoder, max_wait_s=10)
    long = "word " * 20
    vectors = [await batched.vector(text) for text in ("a dot", "a dot", long, long)]
    await batched.close()

    assert encoder.batches == [["a dot"], [long]]
    assert vectors[0] is vectors[1]
    assert vectors[2:] == [None, None]


async def test_nobody_waits_for_ever() -> None:
    """After its time a caller goes on without a vector, and too many callers are not taken at all."""
    encoder = HeldEncoder()
    batched = BatchedEncoder(encoder, max_wait_s=0.001, max_waiting=1)
    late = await batched.vector("late")
    refused = await batched.vector("another")
    encoder.may_end.set()
    await batched.close()

    assert late is None
    assert refused is None


class BrokenEncoder(WordEncoder):
    """Fails."""

    def encode(self, texts: Sequence[str]) -> list[Vector | None]:
        """Fail."""
        raise RuntimeError("broken")


async def test_a_broken_encoder_nominates_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Its callers get no vector instead of its error."""
    batched = BatchedEncoder(BrokenEncoder(), max_wait_s=10)

    assert await batched.vector("a dot") is None
    await batched.close()
