"""What somebody on call finds in the log."""

import io
import json
import logging

import pytest

from app.telemetry.events import JobEnqueued, RequestCompleted
from app.telemetry.logs import configure_logging, log_event


def test_the_end_of_a_request_is_one_json_line(caplog: pytest.LogCaptureFixture) -> None:
    """A completed request is logged as one JSON object with its id and its outcome."""
    caplog.set_level(logging.INFO, logger="app")

    log_event(RequestCompleted(request_id="r", endpoint="e", started_s=1.0, ended_s=2.0, pictures=1))

    (line,) = caplog.messages
    assert json.loads(line)["request_id"] == "r"


def test_frequent_events_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Jobs entering a queue leave no line."""
    caplog.set_level(logging.DEBUG, logger="app")

    log_event(JobEnqueued(job_id="r.0", variant="v", queued=1, at_s=1.0))

    assert caplog.messages == []


def test_lines_of_the_configured_level_reach_the_stream() -> None:
    """What is less severe than the configured level is not written; the rest is, once."""
    ours, stream = logging.getLogger("app"), io.StringIO()
    before = ours.handlers, ours.level, ours.propagate
    configure_logging("WARNING", stream)
    configure_logging("WARNING", stream)

    ours.getChild("part").info("too little")
    ours.getChild("part").warning("enough")

    ours.handlers, ours.level, ours.propagate = before
    assert stream.getvalue().count("enough") == 1
    assert "too little" not in stream.getvalue()
