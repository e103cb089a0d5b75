"""What a rehearsal draws and learns."""

import itertools

from PIL import Image
from scripted_pipeline import ScriptedPipeline
from step_loop import FakeMemory

from app.errors import ConfigurationError
from app.generation import PictureSpec
from app.inference.engine.costs import CostModel, Shape
from app.inference.engine.warming import REPEATS, Rehearsal
from app.inference.pipelines.contract import PromptEmbedding, SampleState

SIZE = (64, 48)


def rehearse(costs: CostModel) -> ScriptedPipeline:
    """A pipeline after its rehearsal, on a clock that ticks once a second whenever it is read."""
    pipeline, ticks, efforts = ScriptedPipeline(), itertools.count(), itertools.count()
    rehearsal = Rehearsal(
        pipeline, variant="v", costs=costs, memory=FakeMemory(needs=70), clock=lambda: float(next(ticks)),
        effort=lambda: next(efforts) / 4,
    )  # fmt: skip
    rehearsal.perform(SIZE, (1, 2, 4))
    return pipeline


def test_a_rehearsal_measures_time_and_memory_of_every_batch() -> None:
    """Afterwards each rehearsed batch size is known."""
    costs = CostModel()
    rehearse(costs)
    step = Shape("step", *SIZE)
    assert [(costs.seconds(step, size), costs.bytes(step, size)) for size in (1, 2, 4)] == [(1.0, 70)] * 3
    assert [costs.effort(step, size) for size in (1, 2, 4)] == [0.25] * 3
    assert costs.seconds(Shape("decode", *SIZE), 1) == 1.0


def test_what_is_known_is_only_warmed() -> None:
    """With costs from disk each batch is stepped once, so that a restart is quick."""
    costs = CostModel()
    first, second = rehearse(costs), rehearse(costs)
    assert len(first.batches) == 3 * (2 + REPEATS)
    assert len(second.batches) == 3


def test_a_rehearsal_starts_from_a_picture() -> None:
    """Image-to-image is warm too: the source is encoded."""
    (source,) = rehearse(CostModel()).sources
    assert source is not None
    assert source.size == SIZE


class NeverFromAPicture(ScriptedPipeline):
    """A model that draws from words alone."""

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """Refuses a picture to start from."""
        if source is not None:
            raise ConfigurationError("this model draws from words alone")
        return super().prepare(spec, embedding, source)


def test_a_model_that_cannot_start_from_a_picture_is_rehearsed_from_words() -> None:
    """It is warm all the same."""
    costs, pipeline = CostModel(), NeverFromAPicture()
    rehearsal = Rehearsal(pipeline, variant="v", costs=costs, memory=FakeMemory(needs=70), clock=float, effort=float)
    rehearsal.perform(SIZE, (1,))
    assert pipeline.sources == [None]
    assert costs.knows(Shape("step", *SIZE), 1)
