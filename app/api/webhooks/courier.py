"""Carries messages from the outbox to webhooks, several at once, until each is acknowledged or given up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import httpx

from app.api.outbound import TargetGuard, TargetRefusedError, TransportFactory, UnknownHostError
from app.api.webhooks.policy import Outcome, outcome_of, retry_delay_s, timeout_s
from app.api.webhooks.signing import WebhookKey
from app.config import WebhookSettings
from app.errors import DarkroomError, StoreUnavailableError
from app.requests.webhooks import News, news_in
from app.storage.jobs import Message, Outbox

_log = logging.getLogger(__name__)

AT_ONCE = 64
POLL_S = 0.5
LEASE_MARGIN_S = 10.0
_HEADERS = {"Content-Type": "application/json", "User-Agent": "darkroom"}

BodyOf = Callable[[News], Awaitable[bytes]]


class Courier:
    """Delivers what is due; several couriers may share an outbox, and each message is carried by one of them.

    A message that its courier has lost is carried by another when its lease is over.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        body_of: BodyOf,
        key: WebhookKey,
        settings: WebhookSettings,
        guard: TargetGuard,
        open_transport: TransportFactory,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._outbox = outbox
        self._body_of = body_of
        self._key = key
        self._settings = settings
        self._guard = guard
        self._open_transport = open_transport
        self._clock = clock
        self._sleep = sleep
        self._carried: set[asyncio.Task[None]] = set()
        self._leases_s = {
            "lease_s": settings.timeout_s + LEASE_MARGIN_S,
            "retry_lease_s": settings.retry_timeout_s + LEASE_MARGIN_S,
        }

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then is delivered by the next courier."""
        try:
            while True:
                await self._take_what_is_due()
                await self._sleep(POLL_S)
        finally:
            for task in self._carried:
                task.cancel()
            await asyncio.gather(*self._carried, return_exceptions=True)

    async def _take_what_is_due(self) -> None:
        try:
            free = AT_ONCE - len(self._carried)
            due = await self._outbox.due(free, **self._leases_s) if free else []
        except StoreUnavailableError:
            _log.warning("webhooks wait: their store cannot be reached", exc_info=True)
            return
        for message in due:
            task = asyncio.create_task(self._carry(message))
            self._carried.add(task)
            task.add_done_callback(self._carried.discard)

    async def _carry(self, message: Message) -> None:
        try:
            await self._settle(message, await self._deliver(message))
        except DarkroomError as error:
            _log.warning("%s waits for its next courier: %s", message.message_id, error.detail)
        except Exception:
            _log.exception("%s waits for its next courier", message.message_id)

    async def _settle(self, message: Message, outcome: Outcome) -> None:
        delay_s = retry_delay_s(self._settings, outcome, failed_before=message.attempts)
        if delay_s is not None:
            await self._outbox.failed(message.message_id, retry_at_s=self._clock() + delay_s)
            return
        if outcome is not Outcome.ACKNOWLEDGED:
            _log.warning("%s is given up after %d deliveries", message.message_id, message.attempts + 1)
        await self._outbox.delivered(message.message_id)

    async def _deliver(self, message: Message) -> Outcome:
        news = news_in(message)
        body = await self._body_of(news)
        signed = self._key.headers(body, request_id=news.view.request_id, user_id=news.view.tenant, now_s=self._clock())
        try:
            async with asyncio.timeout(timeout_s(self._settings, failed_before=message.attempts)):
                return outcome_of(await self._post(httpx.URL(message.destination), body, {**_HEADERS, **signed}))
        except (TimeoutError, httpx.HTTPError, UnknownHostError):
            return Outcome.FAILED
        except TargetRefusedError as error:
            _log.warning("%s: %s", message.message_id, error.detail)
            return Outcome.REFUSED

    async def _post(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> int:
        request = await self._guard.pinned("POST", url, headers=headers, content=body)
        async with httpx.AsyncClient(transport=self._open_transport(), timeout=None) as client:
            response = await client.send(request, stream=True)
            await response.aclose()
            return response.status_code
