"""What turns prompts into directions."""

from collections.abc import Sequence
from typing import Protocol

from app.cache.index.contract import Vector


class Encoder(Protocol):
    """A text encoder; one thread at a time calls it."""

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        ...

    @property
    def revision(self) -> str:
        """A name for the weights and how they are used: vectors of equal revisions can be compared."""
        ...

    def encode(self, texts: Sequence[str]) -> list[Vector | None]:
        """A vector of length one for each text, the same in any company up to rounding.

        None for a text that is longer than the encoder reads: what it does not see, it cannot compare.
        """
        ...
