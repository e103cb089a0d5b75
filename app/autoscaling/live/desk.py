"""The planner with its files: starts from memory, plans, keeps what it learned; all in one thread."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.autoscaling.live.fleet import members_of
from app.autoscaling.live.memory import Memory
from app.autoscaling.live.plan import Plan, Planned, Seen
from app.autoscaling.live.planner import Planner
from app.autoscaling.live.settings_file import SettingsFile
from app.config import DarkroomSettings
from app.errors import ConfigurationError
from app.telemetry.events import Observer, ignore

KEEP_AGAIN_S = 5.0


class Desk:
    """Where the planner works. Opening it reads everything that is remembered."""

    def __init__(
        self, settings: DarkroomSettings, *, observe: Observer = ignore, clock: Callable[[], float] = time.time
    ) -> None:
        places, members = settings.scaling, members_of(settings)
        self._clock = clock
        self._memory = Memory(Path(places.memory))
        self._file = SettingsFile(Path(places.file).expanduser() if places.file else None)
        self.planner = Planner(
            members,
            self._file.settings,
            knowledge={each.name: self._memory.load(each.name) for each in members},
            decisions=self._memory.load_decisions(),
            observe=observe,
            clock=clock,
            pace=places.pace,
        )
        self._kept_s, self._kept_decision = clock(), self._latest_decision()
        self._kept_minutes = self._minutes()

    def step(self) -> Plan:
        """Take over changed settings, plan, and keep what is worth it; what cannot be kept is tried again."""
        settings = self._file.changed()
        if settings is not None:
            try:
                self.planner.configure(settings)
            except ConfigurationError as error:
                self._file.refuse(error.detail)
        return self.planner.step()

    def keep(self) -> None:
        """Write what has changed and is due; raises OSError when the folder cannot be written."""
        if self._clock() - self._kept_s >= KEEP_AGAIN_S:
            for name, knowledge in self.planner.knowledge().items():
                self._memory.save_recent(name, knowledge)
            self._kept_s = self._clock()
        for name, minutes in self._minutes().items():
            if minutes != self._kept_minutes[name]:
                self._memory.save_history(name, self.planner.knowledge()[name])
                self._kept_minutes[name] = minutes
        if self._latest_decision() != self._kept_decision:
            self._memory.save_decisions(self.planner.decisions)
            self._kept_decision = self._latest_decision()

    @property
    def age_s(self) -> float:
        """How old the plan is."""
        return self._clock() - self.planner.plan.at_s

    def status(self) -> dict[str, Any]:
        """What `GET /scaling` answers."""
        planner = self.planner
        running, planned = planner.running(), planner.planned()
        return {
            "at_s": self._clock(),
            "mode": planner.settings.forecast.mode,
            "problem": self._file.problem,
            "deployments": {name: _deployment(seen, planned.get(name)) for name, seen in running.items()},
            "decisions": list(planner.decisions),
        }

    def _latest_decision(self) -> dict[str, Any] | None:
        return self.planner.decisions[-1] if self.planner.decisions else None

    def _minutes(self) -> dict[str, int]:
        return {name: each.record.history.next_minute for name, each in self.planner.knowledge().items()}


def _deployment(seen: Seen, planned: Planned | None) -> dict[str, Any]:
    if planned is None:
        return {"running": seen.running, "target": seen.target, "terms": [], "stale": True, "reason": "no plan yet"}
    return {
        "running": seen.running,
        "target": planned.replicas,
        "terms": [{"term": each.name, "replicas": each.replicas, "reason": each.why} for each in planned.terms],
        "stale": bool(planned.held),
        "reason": planned.line,
    }
