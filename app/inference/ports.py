"""What inference asks of the storage of pictures."""

from typing import Protocol


class Blobs(Protocol):
    """Files by key, shared by every process that makes or serves pictures."""

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key."""
        ...

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        ...


class Keys(Protocol):
    """How files are named."""

    def content_key(self, data: bytes, extension: str, *, salt: str = "") -> str:
        """The key of a finished picture; `salt` is that of its job."""
        ...

    def scratch_key(self, job_id: str) -> str:
        """The key of a job's unfinished picture."""
        ...

    def latents_key(self, job_id: str, step: int) -> str:
        """The key of the latents that a job's picture had after so many steps."""
        ...
