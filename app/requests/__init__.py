"""Queued requests: acknowledged at once, worked on in the background, watched until they are complete."""

from app.requests.directors import Director, Directors, Note
from app.requests.patience import Patience
from app.requests.queued import Heard, QueuedRequests
from app.requests.waiting_order import WaitingOrder

__all__ = ["Director", "Directors", "Heard", "Note", "Patience", "QueuedRequests", "WaitingOrder"]
