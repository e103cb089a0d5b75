"""What is kept for a webhook when its request is complete: the message that is sent until it is acknowledged."""

import json
from dataclasses import dataclass

from app.compound import QueuedRequest
from app.handling import Webhook
from app.storage.jobs import Message, RequestView
from app.storage.jobs.codec import decode_view, encode_view


@dataclass(frozen=True, slots=True)
class News:
    """The request as it was completed, and the base URL of files in what is told about it."""

    view: RequestView
    cdn: str


def webhook_messages(webhook: Webhook | None, view: RequestView) -> tuple[Message, ...]:
    """The message to the webhook of a completed request, due at once; none where nobody asked for one.

    A request has one message, whatever happens: its id is that of the request.
    """
    if webhook is None:
        return ()
    body = json.dumps({"view": encode_view(view), "cdn": webhook.cdn})
    return (Message(message_id=f"webhook:{view.request_id}", destination=webhook.url, body=body, due_s=0.0),)


def messages_of(request: QueuedRequest | None, view: RequestView) -> tuple[Message, ...]:
    """What is sent when a request is complete; its input is there for the first completion alone, which counts."""
    return () if request is None else webhook_messages(request.webhook, view)


def news_in(message: Message) -> News:
    """What a message to a webhook tells; raises ConfigurationError when a newer version wrote it."""
    body = json.loads(message.body)
    return News(view=decode_view(body["view"]), cdn=body["cdn"])
