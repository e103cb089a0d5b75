"""The observer of a Serve process: Ray's metrics, spans when an endpoint is configured, and log lines."""

import sys
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from ray.serve import metrics

from app.config import TelemetrySettings
from app.telemetry.events import Observer
from app.telemetry.logs import configure_logging, log_event
from app.telemetry.metrics import Counter, Gauge, Histogram, MetricsObserver, broadcast
from app.telemetry.tracing import TracingObserver


class ServeRegistry:
    """Metrics that Ray exports with the deployment and the replica as extra tags."""

    def counter(self, name: str, description: str, tags: tuple[str, ...]) -> Counter:
        """A counter of Ray Serve."""
        counter: Counter = metrics.Counter(name, description=description, tag_keys=tags)
        return counter

    def gauge(self, name: str, description: str, tags: tuple[str, ...]) -> Gauge:
        """A gauge of Ray Serve."""
        gauge: Gauge = metrics.Gauge(name, description=description, tag_keys=tags)
        return gauge

    def histogram(self, name: str, description: str, boundaries: Sequence[float], tags: tuple[str, ...]) -> Histogram:
        """A histogram of Ray Serve."""
        histogram: Histogram = metrics.Histogram(
            name, description=description, boundaries=list(boundaries), tag_keys=tags
        )
        return histogram


def observer_of(settings: TelemetrySettings, *, service: str) -> Observer:
    """What a process named `service` tells its events to."""
    # Serve puts its own buffer of a thousand lines in the place of sys.stderr.
    configure_logging(settings.log_level, sys.__stderr__ or sys.stderr)
    observers: list[Observer] = [MetricsObserver(ServeRegistry()), log_event]
    if settings.otlp_endpoint is not None:
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint)
        observers.append(TracingObserver(exporter, service=service))
    return broadcast(*observers)
