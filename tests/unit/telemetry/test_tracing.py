"""One trace per request, although its spans come from several processes."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.telemetry.events import Event, JobDispatched, JobDropped, RequestCompleted, StageDone, StepDone
from app.telemetry.tracing import TracingObserver

REQUEST = RequestCompleted(request_id="r", endpoint="e", started_s=1.0, ended_s=3.0, pictures=2)
WAIT = JobDispatched(job_id="r.0", variant="v", replica="a", enqueued_s=1.25, dispatched_s=1.5)


def spans_of(*events: Event) -> list[ReadableSpan]:
    """The spans that a process exports for these events."""
    exporter = InMemorySpanExporter()
    observer = TracingObserver(exporter, service="test")
    for event in events:
        observer(event)
    observer.close()
    return list(exporter.get_finished_spans())


def test_spans_of_two_processes_share_the_root_of_their_request() -> None:
    """The router's span is a child of the gateway's root span, though no context was passed between them."""
    (root,), (child,) = spans_of(REQUEST), spans_of(WAIT)

    assert root.parent is None
    assert child.parent is not None
    assert (child.context.trace_id, child.parent.span_id) == (root.context.trace_id, root.context.span_id)


def test_requests_have_traces_of_their_own() -> None:
    """Different request ids give different trace ids."""
    other = RequestCompleted(request_id="other", endpoint="e", started_s=1.0, ended_s=3.0, pictures=1)

    one, two = spans_of(REQUEST, other)

    assert one.context.trace_id != two.context.trace_id


def test_a_span_covers_the_time_its_event_tells() -> None:
    """Start and end are those of the event, not those of its arrival."""
    (span,) = spans_of(WAIT)

    assert (span.name, span.start_time, span.end_time) == ("queue", 1_250_000_000, 1_500_000_000)


def test_a_step_of_a_batch_is_a_span_in_the_trace_of_each_job() -> None:
    """Both jobs of a batch show the step, each its own place on its way; each knows how many shared it."""
    step = StepDone(job_ids=("r.0", "q.0"), progress=((1, 4), (7, 8)), variant="v", started_s=1.0, ended_s=1.1)

    spans = spans_of(step)

    assert [span.name for span in spans] == ["step", "step"]
    assert len({span.context.trace_id for span in spans}) == 2
    assert {(span.attributes or {})["batch_size"] for span in spans} == {2}
    assert [(span.attributes or {})["step"] for span in spans] == [1, 7]


def test_stages_are_named_after_themselves() -> None:
    """A stage's span carries the stage's name and the job."""
    (span,) = spans_of(StageDone(job_id="r.0", stage="upscale", variant="v", started_s=1.0, ended_s=2.0))

    assert span.name == "upscale"
    assert (span.attributes or {})["job_id"] == "r.0"


def test_a_dropped_job_shows_its_wait_and_why_it_ended() -> None:
    """A job that never ran still leaves a queue span."""
    (span,) = spans_of(JobDropped(job_id="r.0", variant="v", reason="cancelled", enqueued_s=1.0, dropped_s=2.0))

    assert span.name == "queue"
    assert (span.attributes or {})["dropped"] == "cancelled"


def test_a_failed_request_is_an_error_in_its_trace() -> None:
    """The root span of a failed request has the error status and the error type."""
    failed = RequestCompleted(
        request_id="r", endpoint="e", started_s=1.0, ended_s=3.0, pictures=0, error_type="client_cancelled"
    )

    (span,) = spans_of(failed)

    assert not span.status.is_ok
    assert span.status.description == "client_cancelled"
