"""The receipt that the command line prints."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from app.cache_levels import CacheLevel, SimilarityEvidence
from app.cli.receipt import receipt_table
from app.generation import Receipt


def printed(**changes: Any) -> str:
    """The receipt of one picture as text."""
    receipt = Receipt(variant="sketch", steps=4, **changes)
    image = {"width": 64, "height": 48, "file_size": 1234}
    console = Console(width=160)
    with console.capture() as capture:
        console.print(receipt_table({"receipts": [asdict(receipt)], "images": [image], "seed": 7}))
    return capture.get()


def test_a_drawn_picture() -> None:
    """Size, seed, variant and level."""
    text = printed(gpu_ms=31.0, replica="a")

    assert "64x48, 1,234 bytes, seed 7" in text
    assert "none" in text
    assert "31 ms on a" in text


def test_a_similar_picture_says_why() -> None:
    """Which entry, how similar, and what its bound rests on."""
    evidence = SimilarityEvidence(entry="e1", similarity=0.9712, bound=0.0099, audits=299)
    text = printed(cache=CacheLevel.SIMILAR, similar=evidence)

    assert "similar: cosine 0.971 to entry e1, at most 1.0% of such are wrong by 299 audits" in text
