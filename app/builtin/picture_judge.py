"""The built-in model's judge for stored pictures."""

import asyncio
import io
from typing import Protocol

import numpy as np
from PIL import Image

from app.builtin.grammar import parse
from app.builtin.judge import judge
from app.errors import NotFoundError


class Files(Protocol):
    """Where pictures are read."""

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        ...


class PictureJudge:
    """Calls a picture right whose score reaches `threshold`, the share of what was asked for that it shows."""

    def __init__(self, files: Files, *, threshold: float = 1.0) -> None:
        self._files = files
        self._threshold = threshold
        self.revision = f"builtin {threshold:g}"

    def can_judge(self, prompt: str) -> bool:
        """Whether the prompt belongs to the scene grammar."""
        return parse(prompt) is not None

    async def shows(self, blob_key: str, prompt: str) -> bool | None:
        """Whether the stored picture shows the prompt; None when its file is gone or the prompt not of the grammar."""
        try:
            data = await self._files.read(blob_key)
        except NotFoundError:
            return None
        return await asyncio.to_thread(self._judged, data, prompt)

    def _judged(self, data: bytes, prompt: str) -> bool | None:
        with Image.open(io.BytesIO(data)) as picture:
            verdict = judge(np.asarray(picture.convert("RGB")), prompt)
        return None if verdict is None else verdict.score >= self._threshold
