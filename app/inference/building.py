"""Makes an engine from the settings of a variant."""

import asyncio
import time
from collections.abc import Callable

import torch

from app.config import VariantSettings
from app.inference.engine import BatchEngine
from app.inference.loader import load_model
from app.inference.ports import Blobs, Keys
from app.telemetry.events import Observer, ignore

_UNBOUND_SIZE = (1024, 1024)


async def build_engine(
    name: str,
    settings: VariantSettings,
    *,
    blobs: Blobs,
    keys: Keys,
    replica: str,
    observer: Observer = ignore,
    clock: Callable[[], float] = time.time,
) -> BatchEngine:
    """The engine of one replica of the variant `name`, loaded and warm.

    Raises ConfigurationError that says what to do when the model cannot be had.
    """
    torch.set_num_threads(settings.threads)
    model = await asyncio.to_thread(
        load_model,
        settings.source,
        device=settings.device,
        dtype=settings.dtype,
        quantization=settings.quantization,
    )
    engine = BatchEngine(model, blobs=blobs, keys=keys, variant=name, replica=replica, observer=observer, clock=clock)
    await engine.warm(settings.native_sizes or model.manifest.native_sizes or (_UNBOUND_SIZE,))
    return engine
