"""Darkroom as one process: gateway, router and step engine, without Ray; what `darkroom solo` starts."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvicorn
from benchmarks.engine.asks import MIXED_SHAPES
from benchmarks.engine.ledger import Ledger

from app.cli.solo import run
from app.config import DarkroomSettings
from app.embedded import embedded
from app.telemetry.events import Event, StageDone, StepDone
from app.telemetry.logs import log_event

SIZES = tuple((kind.width, kind.height) for kind in MIXED_SHAPES.kinds)


def settings_for(*, port: int, blobs: str) -> DarkroomSettings:
    """One variant, the built-in model in the sizes that are asked for, and nothing that the peers do not have."""
    return DarkroomSettings.model_validate(
        {
            "server": {"port": port},
            "storage": {"blobs": blobs},
            # The peers' caches are dictionaries, which no restart and no other process knows.
            "cache": {"shared": False},
            "telemetry": {"log_level": "WARNING"},
            "variants": {"sketch": {"source": "builtin:sketch", "native_sizes": SIZES}},
            "endpoints": {"fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"}},
        }
    )


def recorded(ledger: Ledger) -> Callable[[Event], None]:
    """An observer that logs, as the product does, and counts what the device did."""

    def observe(event: Event) -> None:
        log_event(event)
        if isinstance(event, StepDone):
            ledger.add(samples=len(event.job_ids), steps=1, device_s=event.ended_s - event.started_s)
        elif isinstance(event, StageDone) and event.stage in ("encode", "decode"):
            ledger.add(pictures=event.stage == "decode", device_s=event.ended_s - event.started_s)

    return observe


async def serve(settings: DarkroomSettings, *, costs_folder: Path) -> None:
    """Load and warm, then serve until a signal; what the engine learns of costs is forgotten afterwards."""
    observe = recorded(Ledger.of_environment())
    async with embedded(settings, observe=observe, costs_folder=costs_folder) as app:
        where = settings.server
        options = uvicorn.Config(app, host=where.host, port=where.port, log_level="warning", access_log=False)
        await uvicorn.Server(options).serve()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        settings = settings_for(port=port, blobs=f"{folder}/blobs")
        run(serve(settings, costs_folder=Path(folder) / "costs"))


if __name__ == "__main__":
    main()
