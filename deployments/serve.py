"""Run one Darkroom in the foreground: start Ray, deploy the graph, say when it is warm, stop on a signal."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import ray
from ray import serve

from app.config import DarkroomSettings, load_settings
from app.errors import ConfigurationError, DarkroomError
from deployments.graph import wire

APPLICATION = "darkroom"


def main() -> int:
    """Serve the configuration named on the command line until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        _start(load_settings(arguments.config))
        while True:
            signal.pause()
    except DarkroomError as error:
        _say("failed", detail=error.detail)
        return 1
    finally:
        _stop()


def _leave(number: int, _: object) -> NoReturn:
    """Leave whatever is going on, also a start-up that waits for its models."""
    sys.exit(0)


def _start(settings: DarkroomSettings) -> None:
    began = time.monotonic()
    _say("ray")
    context = ray.init(
        num_cpus=settings.ray.num_cpus,
        dashboard_port=settings.ray.dashboard_port,
        include_dashboard=True,
        object_store_memory=settings.ray.object_store_bytes,
        log_to_driver=False,
        _temp_dir=os.environ.get("RAY_TMPDIR"),
    )
    _say("deploy", dashboard=context.dashboard_url)
    serve.start(http_options={"host": settings.server.host, "port": settings.server.port})
    try:
        serve.run(wire(settings), name=APPLICATION, route_prefix="/")
    except RuntimeError as error:
        raise ConfigurationError(_why_not_deployed()) from error
    _say("ready", seconds=round(time.monotonic() - began, 2))


def _why_not_deployed() -> str:
    deployments = serve.status().applications[APPLICATION].deployments
    failures = [f"{name}: {_last_line(each.message)}" for name, each in deployments.items() if each.message]
    return "; ".join(failures) or "the graph could not be deployed"


def _last_line(message: str) -> str:
    return message.strip().splitlines()[-1].strip()


def _stop() -> None:
    if ray.is_initialized():
        serve.shutdown()
        ray.shutdown()


def _say(stage: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"stage": stage, **facts}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
