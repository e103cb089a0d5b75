"""OpenTelemetry spans made from domain events: one trace per request, across all processes.

The trace id and the id of the root span are functions of the request id, so that every
process can hang its spans under the same root without passing a context along.
"""

import hashlib
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags

from app.generation import request_of
from app.telemetry import events
from app.telemetry.events import Event

Attributes = dict[str, str | int | float | bool]

_root_ids: ContextVar[tuple[int, int] | None] = ContextVar("root_ids", default=None)


class RequestIdGenerator(IdGenerator):
    """Random span ids, except for a root span, whose ids come from the request id."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        """The trace id of the request whose root span is being opened, else a random one."""
        ids = _root_ids.get()
        return ids[0] if ids else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        """The root span id of the request whose root span is being opened, else a random one."""
        ids = _root_ids.get()
        return ids[1] if ids else self._random.generate_span_id()


class TracingObserver:
    """Turns events into finished spans: gateway, queue, step, encode, decode, upscale, store."""

    def __init__(self, exporter: SpanExporter, *, service: str) -> None:
        resource = Resource.create({"service.name": "darkroom", "service.instance.id": service})
        self._provider = TracerProvider(id_generator=RequestIdGenerator(), resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("darkroom")

    def __call__(self, event: Event) -> None:
        """Record the span that an event ends, if it ends one."""
        match event:
            case events.RequestCompleted():
                attributes: Attributes = {"endpoint": event.endpoint, "pictures": event.pictures}
                self._root(event, attributes)
            case events.JobDispatched():
                attributes = {"variant": event.variant, "replica": event.replica}
                self._child(event.job_id, "queue", (event.enqueued_s, event.dispatched_s), attributes)
            case events.JobDropped():
                attributes = {"variant": event.variant, "dropped": event.reason}
                self._child(event.job_id, "queue", (event.enqueued_s, event.dropped_s), attributes)
            case events.StepDone():
                for job_id, (step, steps) in zip(event.job_ids, event.progress, strict=True):
                    attributes = {"variant": event.variant, "step": step, "steps": steps}
                    attributes["batch_size"] = len(event.job_ids)
                    self._child(job_id, "step", (event.started_s, event.ended_s), attributes)
            case events.StageDone():
                self._child(event.job_id, event.stage, (event.started_s, event.ended_s), {"variant": event.variant})
            case _:
                pass

    def close(self) -> None:
        """Send what is left and stop."""
        self._provider.shutdown()

    def _root(self, event: events.RequestCompleted, attributes: Attributes) -> None:
        token = _root_ids.set(_ids(event.request_id))
        try:
            span = self._tracer.start_span("gateway", attributes=attributes, start_time=_ns(event.started_s))
        finally:
            _root_ids.reset(token)
        span.set_attribute("request_id", event.request_id)
        if event.error_type:
            span.set_status(StatusCode.ERROR, event.error_type)
        span.end(_ns(event.ended_s))

    def _child(self, job_id: str, name: str, period_s: tuple[float, float], attributes: Attributes) -> None:
        trace_id, root_id = _ids(request_of(job_id))
        parent = SpanContext(trace_id, root_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        context = trace.set_span_in_context(NonRecordingSpan(parent))
        started_s, ended_s = period_s
        span = self._tracer.start_span(name, context, attributes=attributes, start_time=_ns(started_s))
        span.set_attribute("job_id", job_id)
        span.end(_ns(max(started_s, ended_s)))


def _ids(request_id: str) -> tuple[int, int]:
    digest = hashlib.sha256(request_id.encode()).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")


def _ns(at_s: float) -> int:
    return int(at_s * 1e9)
