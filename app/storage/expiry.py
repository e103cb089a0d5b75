"""Files whose time is over: their names tell it, so whoever makes such files tidies up after all who did."""

import time
from collections.abc import Callable

from app.storage.blobs import BlobStore
from app.storage.keys import PARTS, UPLOADS, expiry_s

SWEEP_S = 60.0


class Sweeper:
    """Deletes expired files when it is asked to, at most once in SWEEP_S seconds."""

    def __init__(self, blobs: BlobStore, *, clock: Callable[[], float] = time.time) -> None:
        self._blobs = blobs
        self._clock = clock
        self._next_s = 0.0

    async def sweep(self) -> None:
        """Delete what has expired, unless that was done a moment ago."""
        now_s = self._clock()
        if now_s < self._next_s:
            return
        self._next_s = now_s + SWEEP_S
        for key in (*await self._blobs.keys(UPLOADS), *await self._blobs.keys(PARTS)):
            if (expiry_s(key) or now_s) < now_s:
                await self._blobs.delete(key)
