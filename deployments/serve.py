"""Run one Darkroom in the foreground: start Ray, deploy the graph, say when it is warm, stop on a signal."""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import ray
from ray import serve

from app.config import DarkroomSettings, load_settings
from app.errors import DarkroomError
from deployments.graph import wire

APPLICATION = "darkroom"


def main() -> int:
    """Serve the configuration named on the command line until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        settings = load_settings(arguments.config)
        _start(settings)
        stopped.wait()
    except DarkroomError as error:
        _say("failed", detail=error.detail)
        return 1
    finally:
        _stop()
    return 0


def _start(settings: DarkroomSettings) -> None:
    began = time.monotonic()
    _say("ray")
    context = ray.init(
        num_cpus=settings.ray.num_cpus,
        dashboard_port=settings.ray.dashboard_port,
        include_dashboard=True,
        object_store_memory=settings.ray.object_store_bytes,
        log_to_driver=False,
        _temp_dir=os.environ.get("RAY_TMPDIR") or tempfile.mkdtemp(prefix="darkroom-"),
    )
    _say("deploy", dashboard=context.dashboard_url)
    serve.start(http_options={"host": settings.server.host, "port": settings.server.port})
    serve.run(wire(settings), name=APPLICATION, route_prefix="/")
    _say("ready", seconds=round(time.monotonic() - began, 2))


def _stop() -> None:
    if ray.is_initialized():
        serve.shutdown()
        ray.shutdown()


def _say(stage: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"stage": stage, **facts}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
