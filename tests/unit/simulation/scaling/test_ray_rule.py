"""Ray Serve's own policy as a rule of the simulator."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scaling_values import make_seen

pytestmark = pytest.mark.ray


@pytest.fixture
def rule():
    """Ray Serve's policy as it is shipped."""
    from deployments.ray_rule import RayRule

    return RayRule(min_replicas=1, max_replicas=48)


def targets(rule, ongoing: int, *, seconds: range, target: int = 1) -> list[int]:
    """Targets second by second, each of which comes true at once."""
    found = []
    for now_s in seconds:
        target = rule(make_seen(now_s=float(now_s), running=ongoing, ready=target, target=target))
        found.append(target)
    return found


def test_two_ongoing_requests_a_replica(rule) -> None:
    """As shipped, a replica is wanted for every two ongoing requests, after thirty seconds of wanting it."""
    found = targets(rule, 12, seconds=range(120))

    assert found[20] == 1
    assert found[-1] == 6


def test_ten_minutes_until_down(rule) -> None:
    """As shipped, replicas go after ten minutes in which fewer were wanted."""
    targets(rule, 12, seconds=range(120))
    found = targets(rule, 0, seconds=range(120, 900), target=6)

    assert found[500] == 6
    assert found[-1] == 1


def test_a_day_is_replayed_beside_it(tmp_path: Path) -> None:
    """The process behind `darkroom scaling replay` reads the history and prints every rule's numbers."""
    from app.autoscaling.forecast.record import ForecastRecord
    from app.autoscaling.history import CountHistory
    from app.autoscaling.live.knowledge import Knowledge
    from app.autoscaling.live.memory import Memory

    history = CountHistory(0, np.full(20, 6.0))
    Memory(tmp_path).save_history("sdxl", Knowledge(record=ForecastRecord(history)))
    command = [sys.executable, "-m", "deployments.scaling_replay", "sdxl", "--memory", str(tmp_path), "--day"]
    done = subprocess.run([*command, "1970-01-01"], capture_output=True, text=True, check=True)
    unknown = subprocess.run([*command, "1970-01-05"], capture_output=True, text=True, check=False)

    assert {row["requests"] for row in json.loads(done.stdout).values()} == {120}
    assert "Ray Serve as shipped" in json.loads(done.stdout)
    assert (unknown.returncode, unknown.stderr) == (1, "Error: nothing is known of sdxl on 1970-01-05\n")
