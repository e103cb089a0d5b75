"""A day that was, replayed beside Ray Serve's own policy; what comes out is printed as JSON."""

import argparse
import json
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

from app.autoscaling.live.memory import Memory
from app.config.autoscaling import ScalingSettings, load_scaling
from app.errors import DarkroomError
from app.simulation.scaling.replay import Rule, compared, of_day
from app.simulation.scaling.scenario import Scenario
from app.simulation.scaling.summary import Summary
from deployments.ray_rule import RayRule

EPOCH = date(1970, 1, 1)


def main() -> int:
    """Replay one day of one deployment; ends with 1 and the reason on the error stream when that cannot be."""
    arguments = _arguments()
    try:
        summaries = replayed(arguments.deployment, arguments.memory, arguments.day, config=arguments.config)
    except DarkroomError as error:
        sys.stderr.write(f"Error: {error.detail}\n")
        return 1
    json.dump({label: asdict(summary) for label, summary in summaries.items()}, sys.stdout, indent=2)
    return 0


def replayed(deployment: str, memory: Path, day: date, *, config: Path | None) -> dict[str, Summary]:
    """What the day would have cost, by rule."""
    settings = load_scaling(config) if config else ScalingSettings()
    history = Memory(memory).load(deployment).record.history
    outcomes = compared(of_day(deployment, history, (day - EPOCH).days), settings, {"Ray Serve as shipped": _ray})
    return {label: Summary.of(outcome) for label, outcome in outcomes.items()}


def _ray(scenario: Scenario) -> Rule:
    return RayRule(min_replicas=scenario.min_replicas, max_replicas=scenario.max_replicas)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deployment")
    parser.add_argument("--memory", type=Path, required=True)
    parser.add_argument("--day", type=date.fromisoformat, required=True)
    parser.add_argument("--config", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
