"""What an eviction policy knows of a picture."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A picture by its key: whose it is, its size in bytes, and the device milliseconds that making it took."""

    key: str
    tenant: str
    byte_count: int
    gpu_ms: float

    @property
    def worth(self) -> float:
        """Device milliseconds that one use saves for every byte kept; never zero, so that use alone counts too."""
        return max(self.gpu_ms, 1e-3) / max(self.byte_count, 1)
