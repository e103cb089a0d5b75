"""What an operator sees of scaling: gauges of every term, a count of changes, and a line for each."""

import json
import logging

import pytest
from unit.telemetry.test_metrics import RecordedRegistry

from app.telemetry.events import ReplicasDecided, ReplicasPlanned
from app.telemetry.logs import log_event
from app.telemetry.metrics import MetricsObserver


@pytest.fixture
def registry() -> RecordedRegistry:
    """An empty registry."""
    return RecordedRegistry()


def planned(**terms: float) -> ReplicasPlanned:
    """A plan for one deployment with these terms."""
    return ReplicasPlanned(deployment="sketch", replicas=3, running=1, terms=tuple(terms.items()))


def test_every_term_has_its_gauge(registry: RecordedRegistry) -> None:
    """Each term's replicas are a gauge of their own, and a term that is gone is zero."""
    observe = MetricsObserver(registry)
    observe(planned(burst=2.5, morning=3.0))
    observe(planned(burst=1.5))

    shown = registry.metrics["darkroom_scaling_term_replicas"].values
    latest = {tags["term"]: value for value, tags in shown}
    assert latest == {"burst": 1.5, "morning": 0.0}
    assert registry.metrics["darkroom_scaling_replicas"].values[-1] == (3, {"scaled": "sketch"})


@pytest.mark.parametrize(("replicas", "direction"), [(5, "up"), (1, "down")])
def test_changes_are_counted(registry: RecordedRegistry, replicas: int, direction: str) -> None:
    """A change counts with its direction."""
    MetricsObserver(registry)(ReplicasDecided(deployment="sketch", before=3, replicas=replicas, reason=""))

    assert registry.metrics["darkroom_scaling_changes"].values == [(1, {"scaled": "sketch", "direction": direction})]


def test_a_change_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """A change is one JSON line with its reason; plans that change nothing are silent."""
    with caplog.at_level(logging.INFO, logger="app.telemetry.logs"):
        log_event(planned(burst=1.0))
        log_event(ReplicasDecided(deployment="sketch", before=1, replicas=2, reason="sketch 1→2: trend 1.4"))

    (line,) = caplog.messages
    assert json.loads(line) == {
        "event": "ReplicasDecided",
        "deployment": "sketch",
        "before": 1,
        "replicas": 2,
        "reason": "sketch 1→2: trend 1.4",
    }
