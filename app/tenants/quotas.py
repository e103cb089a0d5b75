"""How much a tenant may use, decided from what it has used."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.config import QuotaSettings
from app.errors import QuotaExceededError
from app.storage.tenants import Bucket

BUCKET_S = 10
# Nobody knows when one of a tenant's own requests will end, or when it will delete a file.
CONCURRENCY_RETRY_S = 1.0
STORAGE_RETRY_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a tenant has used: `buckets` of BUCKET_S seconds in order, requests under way, bytes of its files."""

    buckets: tuple[Bucket, ...] = ()
    under_way: int = 0
    stored_bytes: int = 0
    next_expiry_s: float | None = None

    @property
    def requests(self) -> int:
        """Requests begun in all buckets."""
        return sum(bucket.requests for bucket in self.buckets)

    @property
    def gpu_s(self) -> float:
        """Device seconds of all buckets."""
        return sum(bucket.gpu_ms for bucket in self.buckets) / 1000


def within(buckets: Sequence[Bucket], quota: QuotaSettings, *, now_s: float) -> tuple[Bucket, ...]:
    """The buckets that reach into the window that ends now."""
    return tuple(bucket for bucket in buckets if _leaves_s(bucket, quota) > now_s)


def refusal(quota: QuotaSettings, usage: Usage, *, now_s: float, is_direct: bool) -> QuotaExceededError | None:
    """Why another request may not begin now, with the seconds after which it may; None when it may.

    The wait is true where time alone ends it: it is when enough of the use has left the window. Waiting in the
    queue is not under way, so concurrency binds direct requests alone.
    """
    buckets = within(usage.buckets, quota, now_s=now_s)
    if quota.requests is not None:
        left_s = _wait_s(buckets, quota, lambda bucket: bucket.requests, most=quota.requests - 1) - now_s
        if left_s > 0:
            return _exceeded(f"{quota.requests} requests in {quota.window_s:g} s", left_s, quota)
    if quota.gpu_seconds is not None:
        most_ms = math.nextafter(quota.gpu_seconds * 1000, -math.inf)
        left_s = _wait_s(buckets, quota, lambda bucket: bucket.gpu_ms, most=most_ms) - now_s
        if left_s > 0:
            return _exceeded(f"{quota.gpu_seconds:g} GPU-seconds in {quota.window_s:g} s", left_s, quota)
    if is_direct and quota.concurrent is not None and usage.under_way >= quota.concurrent:
        return QuotaExceededError(f"The quota of {quota.concurrent} requests at once is used up", CONCURRENCY_RETRY_S)
    return storage_refusal(quota, usage, now_s=now_s)


def storage_refusal(quota: QuotaSettings, usage: Usage, *, now_s: float) -> QuotaExceededError | None:
    """Why no file may be added now; the wait is that for the next file to expire, else an hour."""
    if quota.stored_bytes is None or usage.stored_bytes < quota.stored_bytes:
        return None
    wait_s = STORAGE_RETRY_S if usage.next_expiry_s is None else max(usage.next_expiry_s - now_s, 1.0)
    return QuotaExceededError(f"The quota of {quota.stored_bytes} stored bytes is used up", wait_s)


def _wait_s(
    buckets: Sequence[Bucket], quota: QuotaSettings, amount: Callable[[Bucket], float], *, most: float
) -> float:
    """The epoch second from which at most `most` is left in the window; zero when that is so now."""
    total = sum(map(amount, buckets))
    free_s = 0.0
    for bucket in buckets:
        if total <= most:
            break
        total -= amount(bucket)
        free_s = _leaves_s(bucket, quota)
    return free_s if total <= most else math.inf


def _leaves_s(bucket: Bucket, quota: QuotaSettings) -> float:
    return bucket.start_s + BUCKET_S + quota.window_s


def _exceeded(what: str, left_s: float, quota: QuotaSettings) -> QuotaExceededError:
    return QuotaExceededError(f"The quota of {what} is used up", min(left_s, quota.window_s + BUCKET_S))
