"""The last stage of a picture: read it, bring it to the asked size and encoding, store it."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from app.errors import DarkroomError, GenerationFailedError
from app.generation import Job
from app.inference.pictures import decode_picture, encode_picture
from app.inference.ports import Blobs, Keys
from app.inference.upscaling import Upscaler
from app.telemetry.events import Observer, StageDone, ignore

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedPicture:
    """A stored picture in the size and encoding that its job asked for."""

    blob_key: str
    byte_count: int
    upscale_s: float


class FinishingStage:
    """Finishes pictures one at a time; times are epoch seconds of `clock`."""

    def __init__(
        self,
        upscaler: Upscaler,
        *,
        blobs: Blobs,
        keys: Keys,
        observer: Observer = ignore,
        clock: Callable[[], float] = time.time,
        max_source_pixels: int = 25_000_000,
    ) -> None:
        self._upscaler = upscaler
        self._blobs = blobs
        self._keys = keys
        self._observer = observer
        self._clock = clock
        self._max_source_pixels = max_source_pixels
        self._device = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device")

    async def finish(self, job: Job, source_key: str) -> FinishedPicture:
        """Store the source as the picture that the job asked for; the job's own scratch picture is deleted.

        Raises NotFoundError when the source is gone, InvalidInputError when it is no
        picture, GenerationFailedError when it could not be finished.
        """
        source = await self._blobs.read(source_key)
        started_s = self._clock()
        data = await asyncio.get_running_loop().run_in_executor(self._device, self._finished, job, source)
        upscaled_s = self._stage("upscale", job, started_s)
        key = self._keys.content_key(data, job.spec.image_format.value, salt=job.file_salt)
        await self._blobs.put(key, data)
        if source_key == self._keys.scratch_key(job.job_id):
            await self._blobs.delete(source_key)
        self._stage("store", job, upscaled_s)
        return FinishedPicture(blob_key=key, byte_count=len(data), upscale_s=upscaled_s - started_s)

    def close(self) -> None:
        """Let go of the device; waiting pictures are dropped."""
        self._device.shutdown(wait=False, cancel_futures=True)

    def _finished(self, job: Job, source: bytes) -> bytes:
        try:
            picture = decode_picture(source, max_bytes=len(source), max_pixels=self._max_source_pixels)
            pixels = self._upscaler.upscale(np.asarray(picture), width=job.spec.width, height=job.spec.height)
            return encode_picture(pixels, job.spec.image_format, quality=job.spec.quality)
        except DarkroomError:
            raise
        except Exception as error:
            _log.error("job %s could not be finished", job.job_id, exc_info=error)
            raise GenerationFailedError("the picture could not be brought to its size") from error

    def _stage(self, stage: str, job: Job, started_s: float) -> float:
        ended_s = self._clock()
        self._observer(
            StageDone(job_id=job.job_id, stage=stage, variant=job.spec.variant, started_s=started_s, ended_s=ended_s)
        )
        return ended_s
