"""A judge for any prompt: a CLIP-like model that scores a picture beside a text."""

import asyncio
import io
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from app.errors import ConfigurationError, NotFoundError
from app.inference.components import folder_revision
from app.inference.ports import Blobs


class ImageTextJudge:
    """Calls a picture right whose cosine with the prompt reaches `threshold`."""

    def __init__(self, files: Blobs, *, network: Any, processor: Any, threshold: float, revision: str) -> None:
        self._files = files
        self._network = network.eval()
        self._processor = processor
        self._threshold = threshold
        self._longest = int(network.config.text_config.max_position_embeddings)
        self.revision = f"{revision} {threshold:g}"

    def can_judge(self, prompt: str) -> bool:
        """Whether the model reads the whole prompt."""
        return len(self._processor.tokenizer(prompt)["input_ids"]) <= self._longest

    async def shows(self, blob_key: str, prompt: str) -> bool | None:
        """Whether the stored picture shows the prompt; None when its file is gone or the prompt too long."""
        if not self.can_judge(prompt):
            return None
        try:
            data = await self._files.read(blob_key)
        except NotFoundError:
            return None
        return await asyncio.to_thread(self._judged, data, prompt)

    def score(self, picture: Image.Image, prompt: str) -> float:
        """The cosine between the picture and the prompt."""
        inputs = self._processor(text=[prompt], images=[picture], return_tensors="pt")
        with torch.inference_mode():
            seen = self._network(**inputs)
        return float(torch.nn.functional.cosine_similarity(seen.image_embeds, seen.text_embeds)[0])

    def _judged(self, data: bytes, prompt: str) -> bool:
        with Image.open(io.BytesIO(data)) as picture:
            return self.score(picture.convert("RGB"), prompt) >= self._threshold


def load_judge(folder: Path, files: Blobs, *, threshold: float) -> ImageTextJudge:
    """The judge of a folder in the format of transformers; raises ConfigurationError."""
    # To import this loads every image processor there is, which takes seconds.
    from transformers import AutoModel, AutoProcessor

    try:
        network = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"cache.similar.judge: {folder} could not be loaded: {error}") from error
    revision = folder_revision(folder)
    return ImageTextJudge(files, network=network, processor=processor, threshold=threshold, revision=revision)
