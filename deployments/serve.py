"""Run one Darkroom in the foreground: start Ray, deploy the graph, say when it is warm, stop on a signal."""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import psutil
import ray
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview, ServeDeploySchema

from app.cli import processes
from app.cli.cluster import APPLICATION, serve_config
from app.cli.environment import local_host
from app.cli.tunnel import Place, tunnel_always
from app.config import DarkroomSettings, ServerSettings, load_settings
from app.errors import ConfigurationError, DarkroomError
from deployments.forecaster import retire

POLL_S = 0.1
WATCH_S = 2.0
VITAL = frozenset({"gcs_server", "raylet"})


def main() -> int:
    """Serve the configuration named on the command line until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--certificate", help="serve https with this file, and with the one of --key")
    parser.add_argument("--key")
    parser.add_argument("--tunnel-port", type=int, help="offer an HTTPS proxy there that leads fal's hosts here")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        settings = load_settings(arguments.config)
        secure = {"ssl_certfile": arguments.certificate, "ssl_keyfile": arguments.key} if arguments.certificate else {}
        _start(settings, arguments.config, secure=secure)
        if arguments.tunnel_port is not None:
            _offer_tunnels(settings.server, arguments.tunnel_port)
        _watch()
    except DarkroomError as error:
        _say("failed", detail=error.detail)
        return 1
    finally:
        _stop()


def _watch() -> NoReturn:
    """Serve on; ends this process when one of those is gone without which there is no Ray."""
    vital = {child.name(): child for child in psutil.Process().children() if child.name() in VITAL}
    family = []
    while all(map(processes.is_alive, vital.values())):
        family = processes.family(os.getpid())
        time.sleep(WATCH_S)
    gone = ", ".join(name for name, child in vital.items() if not processes.is_alive(child))
    _say("failed", detail=f"Ray has ended: its {gone} is gone")
    # Ray's own way to stop would wait for what is gone, and others may have lost their parents.
    processes.kill(family[1:])
    os._exit(1)


def _leave(number: int, _: object) -> NoReturn:
    """Leave whatever is going on, also a start-up that waits for its models."""
    sys.exit(0)


def _offer_tunnels(server: ServerSettings, port: int) -> None:
    work = tunnel_always(Place("127.0.0.1", port), Place(local_host(server), server.port))
    threading.Thread(target=asyncio.run, args=(work,), daemon=True).start()


def _start(settings: DarkroomSettings, config: Path, *, secure: Mapping[str, str]) -> None:
    began = time.monotonic()
    _say("ray")
    context = ray.init(**_options(settings))
    _say("deploy", dashboard=context.dashboard_url)
    deploy(settings, config, secure=secure)
    _say("ready", seconds=round(time.monotonic() - began, 2))


def _options(settings: DarkroomSettings) -> dict[str, Any]:
    """A Ray of our own, unless Ray's own variable names one that is there."""
    if os.environ.get("RAY_ADDRESS"):
        return {"log_to_driver": False}
    return {
        "num_cpus": settings.ray.num_cpus,
        "dashboard_port": settings.ray.dashboard_port,
        "include_dashboard": True,
        "object_store_memory": settings.ray.object_store_bytes,
        "log_to_driver": False,
        "_temp_dir": os.environ.get("RAY_TMPDIR"),
    }


def deploy(settings: DarkroomSettings, config: Path, *, secure: Mapping[str, str] = MappingProxyType({})) -> None:
    """Deploy the graph of a configuration onto the Ray that this process is connected to, and wait until it runs.

    By Serve's declarative configuration, because nothing else takes the policy of a whole application. `secure` has
    Serve's options for TLS, if there shall be any. Raises ConfigurationError with what Serve says when it cannot be
    deployed.
    """
    # Clients know this machine's address alone: what listened on others would only be lost with them.
    where = {"host": settings.server.host, "port": settings.server.port}
    serve.start(proxy_location="HeadOnly", http_options={**where, **secure})
    applications = serve_config(settings, config=config.resolve())["applications"]
    _get_global_client().deploy_apps(ServeDeploySchema.model_validate({"applications": applications}))
    while (found := serve.status().applications[APPLICATION]).status != ApplicationStatus.RUNNING:
        if found.status == ApplicationStatus.DEPLOY_FAILED:
            raise ConfigurationError(_why_not_deployed(found))
        time.sleep(POLL_S)


def _why_not_deployed(found: ApplicationStatusOverview) -> str:
    failures = [f"{name}: {_last_line(each.message)}" for name, each in found.deployments.items() if each.message]
    return "; ".join(failures) or _last_line(found.message or "the graph could not be deployed")


def _last_line(message: str) -> str:
    return message.strip().splitlines()[-1].strip()


def _stop() -> None:
    if ray.is_initialized():
        serve.shutdown()
        retire(APPLICATION)
        ray.shutdown()


def _say(stage: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"stage": stage, **facts}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
