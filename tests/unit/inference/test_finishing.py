"""The last stage: from a stored picture to the one that was asked for."""

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeClock, Recorder, make_job
from PIL import Image

from app.errors import GenerationFailedError, InvalidInputError, NotFoundError
from app.generation import ImageFormat, Task
from app.inference.finishing import FinishingStage
from app.inference.upscaling import Upscaler, UpscalingNetwork
from app.storage import keys
from app.storage.blobs import LocalBlobStore
from app.telemetry.events import StageDone

TILED = UpscalingNetwork(run=lambda batch: batch.repeat_interleave(2, 2).repeat_interleave(2, 3), scale=2, reach=0)


def broken(batch: object) -> object:
    """A network that does not work."""
    raise RuntimeError("no more memory")


class Bench:
    """A stage over a blob store in a folder."""

    def __init__(self, folder: Path, network: UpscalingNetwork = TILED) -> None:
        self.blobs, self.recorder, self.clock = LocalBlobStore(folder), Recorder(), FakeClock()
        self.stage = FinishingStage(
            Upscaler(network, max_network_pixels=10_000), blobs=self.blobs, keys=keys, observer=self.recorder,
            clock=self.clock,
        )  # fmt: skip

    async def store(self, key: str, *, size: tuple[int, int] = (8, 6)) -> str:
        """The key, with a picture under it."""
        buffer = io.BytesIO()
        Image.new("RGB", size, "teal").save(buffer, "PNG")
        await self.blobs.put(key, buffer.getvalue())
        return key


@pytest.mark.parametrize("image_format", ImageFormat)
async def test_a_native_picture_becomes_the_asked_one(tmp_path: Path, image_format: ImageFormat) -> None:
    """It has the asked size and encoding, lies under its content key, and the scratch picture is gone."""
    bench = Bench(tmp_path)
    source = await bench.store(keys.scratch_key("a"))
    finished = await bench.stage.finish(make_job("a", width=30, height=20, image_format=image_format), source)
    data = await bench.blobs.read(finished.blob_key)
    picture = Image.open(io.BytesIO(data))
    assert (picture.size, picture.format, len(data)) == ((30, 20), image_format.name, finished.byte_count)
    assert finished.blob_key == keys.content_key(data, image_format.value)
    assert not await bench.blobs.exists(source)


async def test_a_user_picture_is_kept(tmp_path: Path) -> None:
    """The source of an upscale belongs to the caller; it may be asked for again."""
    bench = Bench(tmp_path)
    source = await bench.store("source.png")
    await bench.stage.finish(make_job("a", task=Task.UPSCALE, source_key=source, width=16, height=12), source)
    assert await bench.blobs.exists(source)


async def test_equal_sources_give_one_file(tmp_path: Path) -> None:
    """Finishing is deterministic: two jobs over equal pixels end in the same key."""
    bench = Bench(tmp_path)
    done = [
        await bench.stage.finish(make_job(name, width=99, height=70), await bench.store(keys.scratch_key(name)))
        for name in "ab"
    ]
    assert done[0] == done[1]


async def test_the_stages_are_observed(tmp_path: Path) -> None:
    """Upscaling and storing are told apart, with the time that each took."""
    bench = Bench(tmp_path)
    finished = await bench.stage.finish(make_job("a"), await bench.store("source.png"))
    assert [(event.job_id, event.stage) for event in bench.recorder.of(StageDone)] == [("a", "upscale"), ("a", "store")]
    assert finished.upscale_s == 0.0


async def test_a_source_that_is_gone_or_broken_is_told_apart(tmp_path: Path) -> None:
    """A missing file is not found; a file that is no picture is an input error."""
    bench = Bench(tmp_path)
    await bench.blobs.put("text.png", b"not a picture")
    with pytest.raises(NotFoundError):
        await bench.stage.finish(make_job("a"), "missing.png")
    with pytest.raises(InvalidInputError):
        await bench.stage.finish(make_job("a"), "text.png")


async def test_a_network_that_fails_is_our_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The caller learns that it failed, the log learns why, and the scratch picture stays for another try."""
    bench = Bench(tmp_path, UpscalingNetwork(run=broken, scale=2, reach=0))
    source = await bench.store(keys.scratch_key("a"))
    with caplog.at_level(logging.ERROR), pytest.raises(GenerationFailedError) as caught:
        await bench.stage.finish(make_job("a", width=30, height=20), source)
    assert "memory" not in caught.value.detail
    assert "no more memory" in caplog.text
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(await bench.blobs.read(source)))).shape, (6, 8, 3))
