"""A server for official clients, which may bring webhooks here, and fal's own client for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fal_client
import fal_client.client
from painting import LOCAL, Painter, studio

from app.config import WebhookSettings, load_settings
from app.errors import StartTimeoutError


@contextmanager
def fal_server(**options: Any) -> Iterator[str]:
    """The URL of a running server; options are uvicorn's."""
    settings = load_settings(LOCAL).model_copy(update={"webhooks": WebhookSettings(allow_private_addresses=True)})
    painter = Painter(errors={"busy": StartTimeoutError("Request timed out")})
    with studio(painter, settings, **options) as server:
        yield server.url


@contextmanager
def official_client(base: str, *, key: str = "any:key") -> Iterator[fal_client.SyncClient]:
    """The client, told where the server is by the constants of its module."""
    module = vars(fal_client.client)
    ours = {
        "RUN_URL_FORMAT": f"{base}/run/",
        "QUEUE_URL_FORMAT": f"{base}/queue/",
        "REALTIME_URL_FORMAT": f"{base.replace('http', 'ws', 1)}/run/",
        "REST_URL": f"{base}/rest",
        "CDN_URL": f"{base}/cdn",
    }
    before = {name: module[name] for name in ours}
    module.update(ours)
    client = fal_client.SyncClient(key=key)
    try:
        yield client
    finally:
        client._client.close()
        module.update(before)
