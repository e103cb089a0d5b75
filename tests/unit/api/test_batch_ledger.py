"""The pages on which a batch keeps what came of its rows."""

from fakes import MemoryBlobStore
from hypothesis import given
from hypothesis import strategies as st

from app.api.batches.ledger import KEPT_S, PAGE_ROWS, Counts, Ledger, counted, pages
from app.storage.keys import expiry_s


def entry(number: int, status: str = "completed") -> dict[str, str]:
    """What came of a row."""
    return {"id": f"row-{number}", "status": status}


@given(st.integers(0, 1000))
def test_every_row_is_on_one_page(count: int) -> None:
    """The pages have all rows in their order, none twice, and are full but for the last."""
    found = list(pages(count))

    assert [number for page in found for number in page] == list(range(count))
    assert all(len(page) == PAGE_ROWS for page in found[:-1])


async def test_pages_in_any_order() -> None:
    """Pages are read in the order of their rows, whichever came first, and one that is written again once."""
    ledger = Ledger(MemoryBlobStore(), "batch", begun_s=1000.9)
    for page in (10, 2, 10):
        await ledger.write(page, [entry(page), entry(page, "failed")])

    lines = await ledger.read()
    assert lines.count(b"row-2") == lines.count(b"row-10") == 2
    assert lines.index(b"row-2") < lines.index(b"row-10")
    assert (await ledger.has(2), await ledger.has(3)) == (True, False)
    assert counted(lines, 9) == Counts(total=9, completed=2, failed=2)


async def test_pages_are_forgotten_in_the_end() -> None:
    """Their names tell when, so that whoever tidies up needs to know nothing of batches."""
    blobs = MemoryBlobStore()
    await Ledger(blobs, "batch", begun_s=1000.9).write(0, [entry(1)])

    assert [expiry_s(key) for key in blobs.files] == [1000 + KEPT_S]
