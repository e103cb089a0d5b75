"""One encoder for many callers: what arrives while it is busy is encoded together next."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from app.cache.index.contract import Vector
from app.cache.similar.encoding import Encoder


class BatchedEncoder:
    """Encodes in a thread of its own, up to `max_batch` texts at once, and remembers the texts encoded last.

    A caller waits `max_wait_s` at most; with `max_waiting` texts under way, the next is not taken at all.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        max_batch: int = 32,
        max_wait_s: float = 0.5,
        max_waiting: int = 256,
        max_remembered: int = 10_000,
    ) -> None:
        self._encoder = encoder
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s
        self._max_waiting = max_waiting
        self._max_remembered = max_remembered
        self._remembered: OrderedDict[str, Vector | None] = OrderedDict()
        self._waiting: OrderedDict[str, asyncio.Future[Vector | None]] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
        self._work: asyncio.Task[None] | None = None

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return self._encoder.dimensions

    @property
    def revision(self) -> str:
        """A name for the encoder."""
        return self._encoder.revision

    async def vector(self, text: str) -> Vector | None:
        """The text's vector; None when it is too long, or could not be had in time."""
        if text in self._remembered:
            self._remembered.move_to_end(text)
            return self._remembered[text]
        if text not in self._waiting:
            if len(self._waiting) >= self._max_waiting:
                return None
            self._waiting[text] = asyncio.get_running_loop().create_future()
        found = self._waiting[text]
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._encode_all())
        done, _ = await asyncio.wait({found}, timeout=self._max_wait_s)
        return found.result() if done else None

    async def close(self) -> None:
        """Encode nothing more; whoever waits gets None."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        self._settle(dict.fromkeys(self._waiting))
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _encode_all(self) -> None:
        while self._waiting:
            texts = list(self._waiting)[: self._max_batch]
            vectors: list[Vector | None] = [None] * len(texts)
            try:
                vectors = await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.encode, texts)
                self._remember(texts, vectors)
            finally:
                self._settle(dict(zip(texts, vectors, strict=True)))

    def _remember(self, texts: list[str], vectors: list[Vector | None]) -> None:
        self._remembered.update(zip(texts, vectors, strict=True))
        while len(self._remembered) > self._max_remembered:
            self._remembered.popitem(last=False)

    def _settle(self, vectors: dict[str, Vector | None]) -> None:
        for text, vector in vectors.items():
            waiting = self._waiting.pop(text)
            if not waiting.done():
                waiting.set_result(vector)
