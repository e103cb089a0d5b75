"""What one process knows about the use of one tenant: its own counts, and those of others as last seen."""

import asyncio
import math
from dataclasses import replace

from app.storage.tenants import Bucket
from app.tenants.quotas import BUCKET_S, Usage


class Account:
    """Counts of one tenant; `elsewhere` is what other processes had told the store at `seen_s`.

    `unseen_bytes` are those of files that were added since; `elsewhere` has all before.
    """

    def __init__(self) -> None:
        self.elsewhere = Usage()
        self.seen_s = -math.inf
        self.under_way = 0
        self.unseen_bytes = 0
        self.reading = asyncio.Lock()
        self._own: dict[int, Bucket] = {}

    @property
    def usage(self) -> Usage:
        """Everything together."""
        merged = dict(self._own)
        for bucket in self.elsewhere.buckets:
            merged[bucket.start_s] = _sum(merged.get(bucket.start_s, Bucket(bucket.start_s)), bucket)
        return Usage(
            buckets=tuple(merged[start_s] for start_s in sorted(merged)),
            under_way=self.under_way + self.elsewhere.under_way,
            stored_bytes=self.elsewhere.stored_bytes + self.unseen_bytes,
            next_expiry_s=self.elsewhere.next_expiry_s,
        )

    def see(self, elsewhere: Usage, *, now_s: float) -> None:
        """This is how it stands in the store, with all files that were added here."""
        self.elsewhere, self.seen_s, self.unseen_bytes = elsewhere, now_s, 0

    def count(self, *, now_s: float, requests: int = 0, gpu_ms: float = 0.0) -> Bucket:
        """Add to the bucket of this moment, which is returned."""
        start_s = int(now_s // BUCKET_S) * BUCKET_S
        bucket = self._own.get(start_s, Bucket(start_s))
        self._own[start_s] = replace(bucket, requests=bucket.requests + requests, gpu_ms=bucket.gpu_ms + gpu_ms)
        return self._own[start_s]

    def forget(self, before_s: float) -> None:
        """Drop buckets that start before that epoch second."""
        self._own = {start_s: bucket for start_s, bucket in self._own.items() if start_s >= before_s}


def _sum(one: Bucket, other: Bucket) -> Bucket:
    return Bucket(one.start_s, one.requests + other.requests, one.gpu_ms + other.gpu_ms)
