"""What a webhook is told, in fal's form."""

import json
from typing import Any

from app.api.errors import error_body
from app.api.fal.dialect import Dialect
from app.compound import CompoundResult
from app.errors import DarkroomError
from app.requests.webhooks import News


async def webhook_body(dialect: Dialect, news: News) -> bytes:
    """The body of a delivery: the output, or the answer that the result's URL gives instead.

    An output that cannot be had any more leaves `payload` empty and says why.
    """
    view = news.view
    body: dict[str, Any] = {"request_id": view.request_id, "gateway_request_id": view.request_id}
    if view.error is not None:
        body |= {"status": "ERROR", "error": f"Invalid status code: {view.error.status}"}
        body |= {"payload": error_body(view.error)}
    else:
        body |= {"status": "OK", **await _payload(dialect, news)}
    return json.dumps(body, ensure_ascii=False).encode()


async def _payload(dialect: Dialect, news: News) -> dict[str, Any]:
    generation = news.view.generation
    if generation is None:
        return {"payload": None, "payload_error": "The result is not kept any more"}
    if isinstance(generation, CompoundResult):
        return {"payload": generation.output}
    try:
        endpoint = dialect.endpoints.find(news.view.endpoint)
        return {"payload": await dialect.output(endpoint, generation, news.cdn, inline=generation.inline)}
    except DarkroomError as error:
        return {"payload": None, "payload_error": error.detail}
