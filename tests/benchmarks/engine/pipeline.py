"""The one pipeline behind every server: the built-in model, strict, on one thread, with its work counted."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from time import thread_time

import torch
from benchmarks.engine.asks import EVERYTHING, Ask, ask_of
from benchmarks.engine.ledger import Ledger
from PIL import Image

from app.generation import ImageFormat, PictureSpec, Task
from app.inference.loader import LoadedModel, load_model
from app.inference.pictures import Pixels, encode_picture
from app.inference.pipelines.contract import PromptEmbedding, SampleState, StepPipeline

SOURCE = "builtin:sketch"


class MeteredPipeline:
    """A step pipeline that counts what it does; everything else is passed on."""

    def __init__(self, pipeline: StepPipeline, ledger: Ledger) -> None:
        self._pipeline = pipeline
        self._ledger = ledger

    def embedding_key(self, spec: PictureSpec) -> Hashable:
        """What the pipeline says."""
        return self._pipeline.embedding_key(spec)

    def encode(self, spec: PictureSpec) -> PromptEmbedding:
        """What the pipeline says, timed."""
        started_s = thread_time()
        embedding = self._pipeline.encode(spec)
        self._ledger.add(device_s=thread_time() - started_s)
        return embedding

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """What the pipeline says, timed."""
        started_s = thread_time()
        state = self._pipeline.prepare(spec, embedding, source)
        self._ledger.add(device_s=thread_time() - started_s)
        return state

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """One more step, timed and counted once for each state."""
        started_s = thread_time()
        moved = self._pipeline.step(states)
        self._ledger.add(samples=len(moved), steps=1, device_s=thread_time() - started_s)
        return moved

    def decode(self, state: SampleState) -> Pixels:
        """The picture, timed and counted."""
        started_s = thread_time()
        pixels = self._pipeline.decode(state)
        self._ledger.add(pictures=1, device_s=thread_time() - started_s)
        return pixels

    def preview(self, before: SampleState, after: SampleState) -> Pixels:
        """What the pipeline says."""
        return self._pipeline.preview(before, after)


def metered(model: LoadedModel, ledger: Ledger) -> LoadedModel:
    """The same model, with its work counted."""
    return replace(model, pipeline=MeteredPipeline(model.pipeline, ledger))


class Artist:
    """Draws lists of asks from prompt to PNG, those of one kind as one batch, one kind after the other."""

    def __init__(self, pipeline: StepPipeline) -> None:
        self._pipeline = pipeline

    def draw(self, asks: Sequence[Ask]) -> list[bytes]:
        """The PNG files, in the order of the asks."""
        files: dict[int, bytes] = {}
        for kind in dict.fromkeys(ask.kind for ask in asks):
            places = [place for place, ask in enumerate(asks) if ask.kind == kind]
            files.update(zip(places, self._draw_alike([asks[place] for place in places]), strict=True))
        return [files[place] for place in range(len(asks))]

    def _draw_alike(self, asks: Sequence[Ask]) -> list[bytes]:
        states = [self._begin(_spec(ask)) for ask in asks]
        while states[0].steps_left:
            states = self._pipeline.step(states)
        return [encode_picture(self._pipeline.decode(state), ImageFormat.PNG) for state in states]

    def _begin(self, spec: PictureSpec) -> SampleState:
        return self._pipeline.prepare(spec, self._pipeline.encode(spec), None)


def load_artist() -> Artist:
    """An artist with the model loaded and every kind drawn once, so that the first request is as fast as the rest."""
    torch.set_num_threads(1)
    artist = Artist(metered(load_model(SOURCE), Ledger.of_environment()).pipeline)
    for kind in EVERYTHING.kinds:
        artist.draw([ask_of(0, kind)] * 8)
    return artist


def _spec(ask: Ask) -> PictureSpec:
    return PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="sketch", prompt=ask.prompt, width=ask.width, height=ask.height,
        native_width=ask.width, native_height=ask.height, steps=ask.steps, seed=ask.seed,
    )  # fmt: skip
