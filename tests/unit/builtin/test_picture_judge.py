"""The built-in judge on stored pictures."""

import io

import numpy as np
import pytest
from fakes import MemoryBlobStore
from PIL import Image

from app.builtin.grammar import parse
from app.builtin.picture_judge import PictureJudge
from app.builtin.render import place, render


async def stored(prompt: str) -> MemoryBlobStore:
    """A store with a true picture of the prompt."""
    demand = parse(prompt)
    assert demand is not None
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(render(place(demand, np.random.default_rng(0), 64, 64)))).save(buffer, "PNG")
    blobs = MemoryBlobStore()
    await blobs.put("a.png", buffer.getvalue())
    return blobs


@pytest.mark.parametrize(
    ("prompt", "verdict"), [("a circle that is red", None), ("one red circle", True), ("a blue circle", False)]
)
async def test_verdicts(prompt: str, verdict: bool | None) -> None:
    """A prompt is shown or not; outside the grammar there is no verdict."""
    judge = PictureJudge(await stored("a red circle"))

    assert await judge.shows("a.png", prompt) is verdict
    assert judge.can_judge(prompt) is (verdict is not None)


async def test_a_lower_threshold_forgives() -> None:
    """A share of what was asked for is enough, where that is configured; the judge is then another one."""
    blobs = await stored("a red circle")
    strict, lenient = PictureJudge(blobs), PictureJudge(blobs, threshold=0.3)

    assert await lenient.shows("a.png", "a blue circle") is True
    assert strict.revision != lenient.revision


async def test_no_verdict_without_a_file() -> None:
    """A picture that is gone is neither right nor wrong."""
    assert await PictureJudge(MemoryBlobStore()).shows("a.png", "a red circle") is None
