"""Queued requests: acknowledged at once, worked on in the background, watched until they are complete."""

from app.requests.queued import QueuedRequests
from app.requests.waiting_order import WaitingOrder

__all__ = ["QueuedRequests", "WaitingOrder"]
