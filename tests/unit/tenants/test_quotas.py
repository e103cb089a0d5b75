"""How much a tenant may use, decided from what it has used."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import AuthSettings, QuotaSettings
from app.errors import QuotaExceededError
from app.storage.tenants import Bucket
from app.tenants.quotas import BUCKET_S, STORAGE_RETRY_S, Usage, refusal, storage_refusal

NOW_S = 10_000.0


def refused(quota: QuotaSettings, usage: Usage, *, now_s: float = NOW_S, is_direct: bool = True) -> QuotaExceededError:
    """The refusal, which there is."""
    error = refusal(quota, usage, now_s=now_s, is_direct=is_direct)
    assert error is not None
    return error


def test_without_limits_everything_may_begin() -> None:
    """What is absent is not limited."""
    usage = Usage(buckets=(Bucket(9990, 10**9, 1e12),), under_way=10**6, stored_bytes=10**15)

    assert refusal(QuotaSettings(), usage, now_s=NOW_S, is_direct=True) is None


@pytest.mark.parametrize(
    ("quota", "usage"),
    [
        ({"requests": 3}, Usage(buckets=(Bucket(9990, 3),))),
        ({"gpu_seconds": 2.0}, Usage(buckets=(Bucket(9990, 1, 2000.0),))),
        ({"concurrent": 2}, Usage(under_way=2)),
        ({"stored_bytes": 100}, Usage(stored_bytes=100)),
        ({"requests": 0}, Usage()),
        ({"gpu_seconds": 0.0}, Usage()),
        ({"concurrent": 0}, Usage()),
    ],
)
def test_each_limit_binds_by_itself(quota: dict[str, float], usage: Usage) -> None:
    """As soon as it is reached, with a time to come back."""
    error = refused(QuotaSettings(**quota), usage)

    assert error.status == 429
    assert 0 < error.retry_after_s < math.inf


def test_one_less_is_no_refusal() -> None:
    """Below its limits a tenant goes on."""
    quota = QuotaSettings(requests=3, gpu_seconds=2.0, concurrent=2, stored_bytes=100)
    usage = Usage(buckets=(Bucket(9990, 2, 1999.9),), under_way=1, stored_bytes=99)

    assert refusal(quota, usage, now_s=NOW_S, is_direct=True) is None


def test_waiting_in_the_queue_is_not_under_way() -> None:
    """Concurrency binds direct requests alone."""
    assert refusal(QuotaSettings(concurrent=0), Usage(), now_s=NOW_S, is_direct=False) is None


def test_use_leaves_the_window() -> None:
    """A bucket counts until the window has moved past its end."""
    quota, usage = QuotaSettings(requests=1, window_s=60), Usage(buckets=(Bucket(9900, 1),))

    assert refused(quota, usage, now_s=9969.0).retry_after_s == 1.0
    assert refusal(quota, usage, now_s=9970.0, is_direct=True) is None


def test_the_wait_for_a_file_is_that_for_its_expiry() -> None:
    """Where none expires, nobody knows: an hour."""
    quota = QuotaSettings(stored_bytes=1)
    some = storage_refusal(quota, Usage(stored_bytes=1, next_expiry_s=NOW_S + 90), now_s=NOW_S)
    none = storage_refusal(quota, Usage(stored_bytes=1), now_s=NOW_S)

    assert some is not None
    assert none is not None
    assert (some.retry_after_s, none.retry_after_s) == (90.0, STORAGE_RETRY_S)


BUCKETS = st.dictionaries(
    st.integers(0, 30), st.tuples(st.integers(0, 5), st.floats(0, 5000)), min_size=1, max_size=12
).map(
    lambda found: tuple(
        Bucket(9700 + BUCKET_S * index, requests, gpu_ms) for index, (requests, gpu_ms) in sorted(found.items())
    )
)


@given(BUCKETS, st.integers(1, 8), st.integers(1, 5), st.floats(60, 400))
def test_the_time_to_come_back_is_true(
    buckets: tuple[Bucket, ...], requests: int, gpu_seconds: int, window_s: float
) -> None:
    """Until then the request is refused, and then, if nothing else was used, it may begin."""
    quota = QuotaSettings(requests=requests, gpu_seconds=gpu_seconds, window_s=window_s)
    usage = Usage(buckets=buckets)
    error = refusal(quota, usage, now_s=NOW_S, is_direct=True)
    if error is None:
        return
    then_s = NOW_S
    for _ in range(2):  # One wait for each of the two limits.
        if (again := refusal(quota, usage, now_s=then_s, is_direct=True)) is not None:
            assert refusal(quota, usage, now_s=then_s + again.retry_after_s * 0.99 - 1e-6, is_direct=True) is not None
            then_s += again.retry_after_s + 1e-6

    assert refusal(quota, usage, now_s=then_s, is_direct=True) is None


def test_callers_without_a_key_have_a_quota_only_by_name() -> None:
    """Everybody's quota is every tenant's, not that of this machine."""
    own, usual = QuotaSettings(requests=5), QuotaSettings(requests=1)
    settings = AuthSettings(quota=usual, tenants={"acme": own})

    assert settings.quota_of("local") == QuotaSettings()
    assert (settings.quota_of("acme"), settings.quota_of("else")) == (own, usual)
