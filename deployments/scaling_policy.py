"""The application's autoscaling policy: runs in Serve's controller, so it only reads what another thread has fetched.

Serve ships this module by value; what it imports has to be there in the controller's environment.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import ray
from ray.serve.config import AutoscalingContext

from app.autoscaling.live.plan import Plan, Seen, replicas

logger = logging.getLogger("ray.serve")

AGAIN_S = 0.5
PATIENCE_S = 2.0
START_S = 60.0
REPEAT_S = 60.0


class Complaints:
    """Log lines that are not repeated within a minute, because a controller decides ten times a second."""

    def __init__(self, say: Callable[[str, str], None] = logger.warning) -> None:
        self._say = say
        self._last = ("", float("-inf"))

    def tell(self, line: str) -> None:
        """Log the line, unless it was the last one and that a moment ago."""
        now_s = time.monotonic()
        if line != self._last[0] or now_s - self._last[1] >= REPEAT_S:
            self._last = (line, now_s)
            self._say("%s", line)


class Link(Protocol):
    """The latest news between the policy and the forecaster, either of which may be missing."""

    fleet: Mapping[str, Seen]
    plan: Plan | None

    def start(self) -> None:
        """Begin to exchange news."""
        ...

    def stop(self) -> None:
        """End that."""
        ...


class ForecasterLink(threading.Thread):
    """Exchanges news with the forecaster in a thread of its own, and starts it where there is none.

    `plan` is the latest one, dated by this process's clock.
    """

    def __init__(self, application: str, config: str) -> None:
        super().__init__(name="forecaster-link", daemon=True)
        self._application, self._config = application, config
        self._complaints = Complaints()
        self._stopped = threading.Event()
        self.fleet: Mapping[str, Seen] = {}
        self.plan: Plan | None = None

    def stop(self) -> None:
        """End the thread after what it does now."""
        self._stopped.set()

    def run(self) -> None:
        """Exchange until stopped; a forecaster that is gone or slow is asked again."""
        while not self._stopped.is_set():
            try:
                self._exchange_until_stopped()
            except Exception as error:
                self._complaints.tell(f"the forecaster does not answer: {type(error).__name__}: {error}")
                self._stopped.wait(AGAIN_S)

    def _exchange_until_stopped(self) -> None:
        # Here, in this thread: loading the forecaster's libraries would hold up the controller.
        from deployments.forecaster import find_or_start

        forecaster, version, patience_s = find_or_start(self._application, self._config), -1, START_S
        while not self._stopped.is_set():
            plan, age_s = ray.get(forecaster.exchange.remote(self.fleet, version), timeout=patience_s)
            version, patience_s = plan.version, PATIENCE_S
            self.plan = Plan(at_s=time.time() - age_s, version=version, deployments=plan.deployments)


class ScalingPolicy:
    """Sets every deployment's replicas to what the forecaster has planned.

    Never raises and never waits: without a fresh plan it holds the targets, which Serve itself remembers.
    """

    def __init__(
        self, application: str, config: str, *, open_link: Callable[[str, str], Link] = ForecasterLink
    ) -> None:
        self._link = open_link(application, config)
        self._complaints = Complaints()
        # Serve makes a new policy at every deployment and drops the old one without a word.
        weakref.finalize(self, self._link.stop)
        self._link.start()

    def __call__(self, contexts: Mapping[Any, AutoscalingContext]) -> tuple[dict[Any, int], None]:
        """The replicas of every deployment; on any error the targets as they are."""
        try:
            return self._decide(contexts, now_s=time.time()), None
        except Exception as error:
            self._complaints.tell(f"scaling holds every target: {type(error).__name__}: {error}")
            return {key: context.target_num_replicas for key, context in contexts.items()}, None

    def _decide(self, contexts: Mapping[Any, AutoscalingContext], *, now_s: float) -> dict[Any, int]:
        self._link.fleet = {
            context.deployment_name: Seen(context.current_num_replicas, context.target_num_replicas)
            for context in contexts.values()
        }
        plan = self._link.plan
        return {
            key: replicas(plan, context.deployment_name, context.target_num_replicas, now_s=now_s)
            for key, context in contexts.items()
        }
