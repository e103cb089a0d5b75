"""Log lines made from domain events: one JSON object a line, for what somebody on call asks about."""

import json
import logging
from dataclasses import asdict

from app.telemetry import events
from app.telemetry.events import Event

logger = logging.getLogger("darkroom")

_WORTH_A_LINE = (events.RequestCompleted, events.JobDropped, events.VariantReady)


def log_event(event: Event) -> None:
    """Write events that tell how a request ended or a replica began; the frequent ones stay silent."""
    if isinstance(event, _WORTH_A_LINE):
        logger.info("%s", json.dumps({"event": type(event).__name__, **asdict(event)}))
