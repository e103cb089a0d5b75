"""Log lines made from domain events: one JSON object a line, for what somebody on call asks about."""

import json
import logging
from dataclasses import asdict
from typing import TextIO

from app.telemetry import events
from app.telemetry.events import Event

logger = logging.getLogger(__name__)

_WORTH_A_LINE = (events.RequestCompleted, events.JobDropped, events.VariantReady, events.ReplicasDecided)


def configure_logging(level: str, stream: TextIO) -> None:
    """Let our own lines of at least that level reach the stream at once, and nowhere else."""
    ours = logging.getLogger("app")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    ours.handlers = [handler]
    ours.setLevel(level)
    ours.propagate = False


def log_event(event: Event) -> None:
    """Write events that tell how a request ended or a replica began; the frequent ones stay silent."""
    if isinstance(event, _WORTH_A_LINE) or (isinstance(event, events.SimilarJudged) and event.changed):
        logger.info("%s", json.dumps({"event": type(event).__name__, **asdict(event)}))
