"""Remembers prompt embeddings: text encoders are a large share of a few-step model's work."""

from collections import OrderedDict

from app.inference.pipelines.contract import PromptEmbedding, StepPipeline


class EmbeddingCache:
    """The most recent prompt embeddings of one pipeline; lossless, for one thread."""

    def __init__(self, pipeline: StepPipeline, max_entries: int = 64) -> None:
        self._pipeline = pipeline
        self._max_entries = max_entries
        self._entries: OrderedDict[tuple[str, int, int], PromptEmbedding] = OrderedDict()

    def encode(self, prompt: str, width: int, height: int) -> PromptEmbedding:
        """The embedding of the prompt for that native size, computed when it is not remembered."""
        key = (prompt, width, height)
        if key not in self._entries:
            self._entries[key] = self._pipeline.encode(prompt, width, height)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return self._entries[key]
