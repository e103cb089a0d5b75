"""A pipeline around another, for those that change one of its operations and pass on the rest."""

from collections.abc import Hashable, Sequence

from PIL import Image

from app.generation import PictureSpec
from app.inference.pictures import Pixels
from app.inference.pipelines.contract import PromptEmbedding, SampleState, StepPipeline


class WrappedPipeline:
    """Does what `inner` does, for subclasses to change in part; see StepPipeline."""

    def __init__(self, inner: StepPipeline) -> None:
        self.inner = inner

    def encode(self, spec: PictureSpec) -> PromptEmbedding:
        """What the inner pipeline answers."""
        return self.inner.encode(spec)

    def embedding_key(self, spec: PictureSpec) -> Hashable:
        """What the inner pipeline answers."""
        return self.inner.embedding_key(spec)

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """What the inner pipeline answers."""
        return self.inner.prepare(spec, embedding, source)

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """What the inner pipeline answers."""
        return self.inner.step(states)

    def decode(self, state: SampleState) -> Pixels:
        """What the inner pipeline answers."""
        return self.inner.decode(state)

    def preview(self, before: SampleState, after: SampleState) -> Pixels:
        """What the inner pipeline answers."""
        return self.inner.preview(before, after)
