"""Queued work that is made of other requests: a workflow, or a batch of rows."""

from dataclasses import dataclass
from typing import Any

from app.generation import GenerationRequest, Tier
from app.handling import USUAL, Handling, Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class CompoundRequest:
    """Work whose parts are requests of their own; `kind` names who directs it, `document` tells what to do, as JSON.

    `base_url` is this server as the caller sees it, for the URLs in what comes of it.
    """

    request_id: str
    tenant: str
    endpoint: str
    kind: str
    document: str
    base_url: str
    tier: Tier = Tier.STANDARD
    start_timeout_s: float | None = None
    ephemeral: bool = False
    caller: str = ""
    file_salt: str = ""
    webhook: Webhook | None = None
    handling: Handling = USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class CompoundResult:
    """What came of it, as JSON; `inference_s` spans the first part's start to the last one's end."""

    request_id: str
    output: dict[str, Any]
    inference_s: float


@dataclass(frozen=True, slots=True)
class Noted:
    """A line for the caller's log."""

    message: str


QueuedRequest = GenerationRequest | CompoundRequest


def queue_of(request: QueuedRequest) -> str:
    """The variant whose queue the request waits in; empty for one that is made of others, which do the waiting."""
    return "" if isinstance(request, CompoundRequest) else request.spec.variant
