"""What a takedown means."""

import pytest

from app.cache.origin import Origin
from app.cache.takedown import Takedown

ORIGIN = Origin(tenant="ann", revision="1", prompt="a red cat")


@pytest.mark.parametrize(
    ("takedown", "is_meant"),
    [
        (Takedown(), False),
        (Takedown(blob_key="a.png"), True),
        (Takedown(blob_key="b.png"), False),
        (Takedown(prompt="Please draw a red cat."), True),
        (Takedown(prompt="a blue cat"), False),
        (Takedown(tenant="ann"), True),
        (Takedown(tenant="bob"), False),
        (Takedown(revision="1"), True),
        (Takedown(revision="2"), False),
        (Takedown(tenant="ann", revision="2"), False),
        (Takedown(tenant="ann", prompt="a red cat"), True),
    ],
)
def test_all_that_is_named_must_match(takedown: Takedown, is_meant: bool) -> None:
    """A prompt is meant in all its wordings, and a takedown that names nothing means nothing."""
    assert takedown.matches(ORIGIN, "a.png") is is_meant
