"""Which pictures stay: those that come again, cost much, and take little room."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache.eviction import Entry, ProbationCache, TenantShares
from app.cache.eviction.greedy_dual import GreedyDual


def entry(key: str, *, tenant: str = "ann", byte_count: int = 100, gpu_ms: float = 10.0) -> Entry:
    """A picture that is like the others in what is not said."""
    return Entry(key=key, tenant=tenant, byte_count=byte_count, gpu_ms=gpu_ms)


@pytest.mark.parametrize(
    ("least", "other", "uses"),
    [
        pytest.param({}, {}, 1, id="used more often"),
        pytest.param({}, {"gpu_ms": 20.0}, 0, id="dearer"),
        pytest.param({"byte_count": 200}, {}, 0, id="smaller"),
    ],
)
def test_what_saves_most_for_its_size_stays(least: dict[str, Any], other: dict[str, Any], uses: int) -> None:
    """Frequency times cost over size decides who gives way."""
    kept = GreedyDual()
    kept.insert(entry("other", **other))
    kept.insert(entry("least", **least))
    for _ in range(uses):
        kept.touch("other")

    assert kept.pop_least() == entry("least", **least)


def test_what_was_popular_grows_old() -> None:
    """Often used long ago, an entry gives way at last to ones that keep coming."""
    kept = GreedyDual()
    kept.insert(entry("old"), uses=10)
    gone = []
    for number in range(20):
        kept.insert(entry(str(number)))
        gone.append(kept.pop_least().key)

    assert "old" in gone
    assert gone[:5] == ["0", "1", "2", "3", "4"]


def test_a_flood_of_single_requests_pushes_out_nothing_used() -> None:
    """What was asked for again survives a thousand pictures that nobody asks for twice."""
    kept = TenantShares(max_entries=20)
    for number in range(10):
        kept.insert(entry(f"used {number}"))
        kept.touch(f"used {number}")
    for number in range(1000):
        kept.insert(entry(f"once {number}"))

    assert all(f"used {number}" in kept for number in range(10))


def test_what_comes_back_was_worth_keeping() -> None:
    """Evicted from probation and made again, a picture goes to the main part at once."""
    kept = ProbationCache()
    for key in ("a", "b", "c"):
        kept.insert(entry(key))
    assert kept.evict() == "a"
    kept.insert(entry("a"))

    assert [kept.evict(), kept.evict(), kept.evict()] == ["b", "c", "a"]


def test_what_cost_more_than_most_needs_no_second_request() -> None:
    """A dear picture leaves probation for the main part."""
    kept = ProbationCache()
    kept.insert(entry("dear", gpu_ms=1000.0))
    for key in ("a", "b", "c"):
        kept.insert(entry(key))

    assert [kept.evict(), kept.evict(), kept.evict()] == ["a", "b", "c"]


def test_a_tenant_over_its_bytes_gives_way_to_itself() -> None:
    """Others lose nothing by it."""
    kept = TenantShares(max_entries=100, tenant_bytes=250)
    kept.insert(entry("ann 1"))
    kept.insert(entry("ann 2"))
    kept.insert(entry("bob 1", tenant="bob"))

    assert kept.insert(entry("ann 3")) == ("ann 1",)
    assert (kept.bytes_of("ann"), kept.bytes_of("bob"), kept.bytes_of("cy")) == (200, 100, 0)


def test_a_picture_larger_than_all_room_is_not_kept() -> None:
    """It gives way itself in the end."""
    kept = TenantShares(max_entries=100, tenant_bytes=250)

    assert kept.insert(entry("large", byte_count=300)) == ("large",)
    assert len(kept) == 0


def test_the_tenant_with_most_gives_way() -> None:
    """When there are too many entries, a small tenant keeps its own."""
    kept = TenantShares(max_entries=4)
    kept.insert(entry("bob 1", tenant="bob"))
    gone = [key for number in range(10) for key in kept.insert(entry(f"ann {number}"))]

    assert "bob 1" in kept
    assert len(gone) == 7


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "touch", "discard"]),
        st.sampled_from("abcdefgh"),
        st.integers(1, 300),
        st.sampled_from([1.0, 10.0, 1000.0]),
    ),
    max_size=80,
)


@given(OPERATIONS, st.integers(0, 6), st.sampled_from([None, 200, 500]))
def test_limits_hold_and_nothing_is_lost_silently(
    operations: list[tuple[str, str, int, float]], max_entries: int, tenant_bytes: int | None
) -> None:
    """Whatever happens: never too many entries or bytes, and every key is kept, or was named when it gave way."""
    kept = TenantShares(max_entries=max_entries, tenant_bytes=tenant_bytes)
    model: dict[str, int] = {}
    for operation, key, byte_count, gpu_ms in operations:
        if operation == "insert":
            model[key] = byte_count
            tenant = "ann" if key < "e" else "bob"
            for gone in kept.insert(entry(key, tenant=tenant, byte_count=byte_count, gpu_ms=gpu_ms)):
                del model[gone]
        elif operation == "touch":
            kept.touch(key)
        else:
            kept.discard(key)
            model.pop(key, None)
        assert len(kept) == len(model) <= max_entries
        assert all(stored in kept for stored in model)
        for tenant, keys in (("ann", "abcd"), ("bob", "efgh")):
            assert kept.bytes_of(tenant) == sum(model.get(stored, 0) for stored in keys)
            assert tenant_bytes is None or kept.bytes_of(tenant) <= tenant_bytes
