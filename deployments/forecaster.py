"""The forecaster's process: one small detached actor that plans the replicas of an application."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayError

from app.autoscaling.live.counts import Counts
from app.autoscaling.live.desk import Desk
from app.autoscaling.live.plan import Plan, Seen
from app.config import load_settings
from deployments.telemetry import observer_of

logger = logging.getLogger("app.scaling")

NAMESPACE = "darkroom"
TICK_S = 0.5
SOONEST_S = 0.1

Bundles = tuple[dict[str, float], ...]


def ask_for_nodes(bundles: Bundles) -> None:
    """Let Ray's autoscaler keep room for the bundles until it is told otherwise."""
    request_resources(bundles=list(bundles))


class Forecaster:
    """Gives `app.autoscaling.live.desk.Desk` a process: reports come in, plans go out, neither waits for the other.

    Ray starts it again when it dies; what it knew is in the memory's folder.
    """

    def __init__(self, config: str, *, ask_for_nodes: Callable[[Bundles], None] = ask_for_nodes) -> None:
        settings = load_settings(Path(config))
        self._desk = Desk(settings, observe=observer_of(settings.telemetry, service="forecaster"))
        self._ask_for_nodes = ask_for_nodes
        self._asked: Bundles | None = None
        self._reported, self._planned = asyncio.Event(), asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def exchange(self, fleet: Mapping[str, Seen], version: int) -> tuple[Plan, float]:
        """Tell what Serve has; get the plan and its age, at once or as soon as it is newer than `version`."""
        self._begin()
        self._desk.planner.saw(fleet)
        if self._desk.planner.plan.version <= version:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._planned.wait(), TICK_S)
        plan = self._desk.planner.plan
        return plan, self._desk.age_s

    async def report(self, counts: Mapping[str, Counts]) -> None:
        """Take over what the router has counted, and plan at once."""
        self._begin()
        self._desk.planner.counted(counts)
        self._reported.set()

    async def status(self) -> dict[str, Any]:
        """What is planned and why, for people."""
        return self._desk.status()

    def _begin(self) -> None:
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._plan())

    async def _plan(self) -> None:
        while True:
            version = self._desk.planner.plan.version
            await asyncio.to_thread(self._step)
            if self._desk.planner.plan.version != version:
                self._planned.set()
                self._planned = asyncio.Event()
            await asyncio.sleep(SOONEST_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reported.wait(), TICK_S)
            self._reported.clear()

    def _step(self) -> None:
        for part in (self._desk.step, self._look_for_nodes, self._desk.keep):
            try:
                part()
            except Exception:
                logger.warning("a part of planning failed; it is tried again", exc_info=True)

    def _look_for_nodes(self) -> None:
        bundles = self._desk.planner.bundles()
        if bundles != self._asked:
            self._ask_for_nodes(bundles)
            self._asked = bundles
            logger.info("machines asked for ahead: room for %d replicas", len(bundles))


def find_or_start(application: str, config: str) -> ActorHandle[Any]:
    """The forecaster of an application, started if there is none; blocks for as long as Ray needs for that."""
    actor = ray.remote(Forecaster).options(
        name=_name(application), namespace=NAMESPACE, get_if_exists=True, lifetime="detached", max_restarts=-1,
        num_cpus=0,
    )  # fmt: skip
    return actor.remote(config)


def find(application: str) -> ActorHandle[Any]:
    """The forecaster of an application; raises ValueError while there is none."""
    return ray.get_actor(_name(application), namespace=NAMESPACE)


def retire(application: str) -> None:
    """End the forecaster of an application that is gone, and take back what it has asked for."""
    with contextlib.suppress(ValueError, RayError):
        ray.kill(find(application))
        ask_for_nodes(())


def _name(application: str) -> str:
    return f"forecaster-{application}"
