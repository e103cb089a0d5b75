"""Remembers prompt embeddings: text encoders are a large share of a few-step model's work."""

from collections import OrderedDict
from collections.abc import Hashable

from app.generation import PictureSpec
from app.inference.pipelines.contract import PromptEmbedding, StepPipeline


class EmbeddingCache:
    """The most recent prompt embeddings of the pipelines of one device; lossless, for one thread.

    Those with different salts share none, so that no tenant learns by the time that another's prompt is known.
    """

    def __init__(self, max_entries: int = 256) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[Hashable, PromptEmbedding] = OrderedDict()

    def embedding(self, pipeline: StepPipeline, spec: PictureSpec, *, salt: str = "") -> PromptEmbedding:
        """The embedding of the spec's prompts, computed when no pipeline with the same encoders has done it."""
        key = (salt, pipeline.embedding_key(spec))
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = pipeline.encode(spec)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return found
