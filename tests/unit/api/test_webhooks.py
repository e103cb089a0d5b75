"""Webhooks: when they are tried, how they are signed, what they say, and how they are carried."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fake_service import FakeService
from fakes import FakeClock, MemoryBlobStore, make_request, settle
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from app.api.adapted import AdaptedPictures
from app.api.fal.dialect import Dialect
from app.api.fal.endpoints import EndpointTable
from app.api.fal.news import webhook_body
from app.api.fal.outputs import Answers
from app.api.outbound import TargetGuard
from app.api.webhooks.courier import Courier
from app.api.webhooks.policy import Outcome, outcome_of, retry_delay_s, timeout_s
from app.api.webhooks.signing import WebhookKey
from app.config import DarkroomSettings, WebhookSettings
from app.errors import FieldIssue, InvalidInputError
from app.handling import Webhook
from app.requests.webhooks import News, news_in, webhook_messages
from app.storage.jobs import Keeping, MemoryJobStore, RequestState, RequestView

SECRET = b"s" * 32
HOOK = Webhook("https://receiver.example/hook", "http://darkroom")
ADDRESSES = {"receiver.example": ("93.184.216.34",), "inside.example": ("10.0.0.1",)}


def completed(request_id: str = "r1", **outcome: object) -> RequestView:
    """A request that is over."""
    return RequestView(request_id=request_id, endpoint="fal-ai/flux/schnell", state=RequestState.COMPLETED, **outcome)


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Knows the hosts above."""
    if host not in ADDRESSES:
        raise OSError("no such host")
    return ADDRESSES[host]


async def plain_body(news: News) -> bytes:
    """The id of the request is all there is to say."""
    return news.view.request_id.encode()


@dataclass
class Receiver:
    """Answers with the status codes in their order, the last one for ever; one of None never answers."""

    statuses: list[int | None]
    got: list[httpx.Request] = field(default_factory=list)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """What the receiver says."""
        self.got.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            raise httpx.ConnectError("gone")
        return httpx.Response(status, headers={"location": "http://127.0.0.1/"})


@dataclass
class Office:
    """A courier at work, its clock and its outbox."""

    clock: FakeClock
    outbox: MemoryJobStore


@asynccontextmanager
async def at_work(receiver: Receiver, *, couriers: int = 1, **settings: object) -> AsyncIterator[Office]:
    """Couriers that share an outbox, until the block is left."""
    clock = FakeClock()
    office = Office(clock, MemoryJobStore(Keeping(ttl_s=60, max_completed=10), clock=clock))
    tasks = [asyncio.create_task(_courier(office, receiver, settings).run()) for _ in range(couriers)]
    yield office
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _courier(office: Office, receiver: Receiver, settings: dict[str, object]) -> Courier:
    allowed = WebhookSettings.model_validate(settings)
    return Courier(
        outbox=office.outbox,
        body_of=plain_body,
        key=WebhookKey(SECRET),
        settings=allowed,
        guard=TargetGuard(allow_private_addresses=allowed.allow_private_addresses, resolve=resolve),
        open_transport=lambda: httpx.MockTransport(receiver.answer),
        clock=office.clock,
        sleep=office.clock.sleep,
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.ACKNOWLEDGED),
        (204, Outcome.ACKNOWLEDGED),
        (301, Outcome.REFUSED),
        (404, Outcome.FAILED),
        (500, Outcome.FAILED),
    ],
)
def test_an_answer_acknowledges_refuses_or_fails(status: int, outcome: Outcome) -> None:
    """A redirect is for good, because nobody follows it."""
    assert outcome_of(status) is outcome


def test_waits_double_and_end_within_two_hours() -> None:
    """With the usual settings a receiver that is down has two hours to come back."""
    settings = WebhookSettings()
    delays = [retry_delay_s(settings, Outcome.FAILED, failed_before=count) for count in range(11)]

    assert delays[:3] == [7.0, 14.0, 28.0]
    assert delays[-1] is None
    assert 7000 < sum(delay for delay in delays if delay is not None) < 7200


@given(st.sampled_from([Outcome.ACKNOWLEDGED, Outcome.REFUSED]), st.integers(0, 100))
def test_only_failures_are_tried_again(outcome: Outcome, failed_before: int) -> None:
    """What was acknowledged or refused is over."""
    assert retry_delay_s(WebhookSettings(), outcome, failed_before=failed_before) is None


def test_later_deliveries_may_take_longer() -> None:
    """A receiver that was slow once gets more time."""
    assert [timeout_s(WebhookSettings(), failed_before=count) for count in (0, 1)] == [15.0, 120.0]


def verified(headers: httpx.Headers, body: bytes, key: WebhookKey) -> bool:
    """Whether the published key verifies the signature, by the procedure that fal documents."""
    (public,) = key.key_set()["keys"]
    names = ("Request-Id", "User-Id", "Timestamp")
    message = "\n".join([*(headers[f"X-Fal-Webhook-{name}"] for name in names), hashlib.sha256(body).hexdigest()])
    known = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(public["x"]))
    try:
        known.verify(bytes.fromhex(headers["X-Fal-Webhook-Signature"]), message.encode())
    except InvalidSignature:
        return False
    return True


@given(st.binary(), st.text(st.characters(max_codepoint=126, min_codepoint=33)))
def test_a_signature_is_verified_with_the_published_key(body: bytes, request_id: str) -> None:
    """Body, id and time are signed; a changed body is noticed, and so is another server."""
    key = WebhookKey(SECRET)
    headers = httpx.Headers(key.headers(body, request_id=request_id, user_id="local", now_s=1000.9))

    assert headers["X-Fal-Webhook-Timestamp"] == "1000"
    assert verified(headers, body, key)
    assert not verified(headers, body + b" ", key)
    assert not verified(headers, body, WebhookKey(b"t" * 32))


async def test_keys_are_published(client: httpx.AsyncClient) -> None:
    """Receivers find the key, padded, and may keep it for a day."""
    answer = await client.get("/rest/.well-known/jwks.json")
    (key,) = answer.json()["keys"]

    assert (key["kty"], key["crv"], len(key["x"]) % 4) == ("OKP", "Ed25519", 0)
    assert answer.headers["cache-control"] == "public, max-age=86400"


def test_a_request_without_a_webhook_tells_nobody() -> None:
    """There is no message without somebody who asked."""
    assert webhook_messages(None, completed()) == ()


def test_a_message_carries_the_whole_outcome() -> None:
    """What was completed is told, however long the delivery takes."""
    view = completed(error=InvalidInputError((FieldIssue(("body", "prompt"), "Field required", "missing"),)))
    (message,) = webhook_messages(HOOK, view)
    news = news_in(message)

    assert (message.message_id, message.destination) == ("webhook:r1", HOOK.url)
    assert (news.cdn, news.view.request_id) == ("http://darkroom", "r1")
    assert news.view.error is not None
    assert news.view.error.detail == "Field required"


@pytest.fixture
def dialect(service: FakeService, blobs: MemoryBlobStore, settings: DarkroomSettings) -> Dialect:
    """What puts results into words; it translates nothing here."""
    endpoints = EndpointTable(settings)
    return Dialect(
        service=service,
        endpoints=endpoints,
        translator=None,
        answers=Answers(blobs),
        adapted=AdaptedPictures(blobs),
        settings=settings.server,
    )


async def test_success_is_told_with_its_output(dialect: Dialect, service: FakeService) -> None:
    """The payload is what the result's URL gives, with URLs that the receiver can use."""
    view = completed(generation=await service.generate(make_request("r1")))
    body = json.loads(await webhook_body(dialect, News(view, "http://seen.example")))

    assert (body["request_id"], body["gateway_request_id"], body["status"]) == ("r1", "r1", "OK")
    assert body["payload"]["images"][0]["url"] == "http://seen.example/files/0123abcd.png"


async def test_failure_is_told_with_the_answer_to_it(dialect: Dialect) -> None:
    """The payload is the error's own body, and the status code is in words."""
    view = completed(error=InvalidInputError((FieldIssue(("body", "prompt"), "Field required", "missing"),)))
    body = json.loads(await webhook_body(dialect, News(view, "http://darkroom")))

    assert (body["status"], body["error"]) == ("ERROR", "Invalid status code: 422")
    assert body["payload"]["detail"][0]["loc"] == ["body", "prompt"]


async def test_a_result_that_is_gone_is_said_to_be(
    dialect: Dialect, service: FakeService, blobs: MemoryBlobStore
) -> None:
    """Without pictures the receiver still learns that the request is over, and why there is nothing."""
    inline = await service.generate(make_request("r1"))
    blobs.files.clear()
    views = [completed(), completed(generation=inline)]
    news = [News(views[0], "http://d"), News(replace_inline(views[1]), "http://d")]
    bodies = [json.loads(await webhook_body(dialect, each)) for each in news]

    assert [(body["status"], body["payload"]) for body in bodies] == [("OK", None)] * 2
    assert all(body["payload_error"] for body in bodies)


def replace_inline(view: RequestView) -> RequestView:
    """The same outcome of a request that wanted its pictures inside."""
    assert view.generation is not None
    return replace(view, generation=replace(view.generation, inline=True))


async def test_a_message_is_delivered_once() -> None:
    """What is acknowledged is not sent again, and goes to the checked address under its own name."""
    receiver = Receiver([200])
    async with at_work(receiver) as office:
        await office.outbox.put(webhook_messages(HOOK, completed()))
        await office.clock.advance(100)

    (request,) = receiver.got
    assert (request.method, str(request.url), request.content) == ("POST", "https://93.184.216.34/hook", b"r1")
    assert (request.headers["host"], request.headers["content-type"]) == ("receiver.example", "application/json")
    assert verified(request.headers, b"r1", WebhookKey(SECRET))


async def test_a_failed_delivery_is_repeated_until_it_is_acknowledged() -> None:
    """A receiver that is down, or says so, is asked again; every time it gets the same body."""
    receiver = Receiver([None, 503, 404, 200])
    async with at_work(receiver) as office:
        await office.outbox.put(webhook_messages(HOOK, completed()))
        await office.clock.advance(100)

    assert [request.content for request in receiver.got] == [b"r1"] * 4


async def test_deliveries_are_signed_anew() -> None:
    """A receiver refuses signatures that are old, so each delivery has its own time."""
    receiver = Receiver([503, 200])
    async with at_work(receiver) as office:
        await office.outbox.put(webhook_messages(HOOK, completed()))
        await office.clock.advance(100)

    times = [int(request.headers["X-Fal-Webhook-Timestamp"]) for request in receiver.got]
    assert 7 <= times[1] - times[0] <= 8
    assert all(verified(request.headers, b"r1", WebhookKey(SECRET)) for request in receiver.got)


@pytest.mark.parametrize(("status", "deliveries"), [(500, 3), (302, 1)])
async def test_a_delivery_is_given_up_in_the_end(status: int, deliveries: int) -> None:
    """After so many retries, or at once where there is no hope."""
    receiver = Receiver([status])
    async with at_work(receiver, retries=2) as office:
        await office.outbox.put(webhook_messages(HOOK, completed()))
        await office.clock.advance(50)

        assert await office.outbox.due(10, lease_s=1) == []
    assert len(receiver.got) == deliveries


@pytest.mark.parametrize(
    ("url", "allowed", "deliveries"),
    [("http://inside.example/", False, 0), ("http://inside.example/", True, 1), ("http://unknown.example/", True, 0)],
)
async def test_private_receivers_must_be_allowed(url: str, allowed: bool, deliveries: int) -> None:
    """Callers cannot have us knock at doors of our own network, unless the operator wants it."""
    receiver = Receiver([200])
    async with at_work(receiver, allow_private_addresses=allowed, retries=1) as office:
        await office.outbox.put(webhook_messages(Webhook(url, "http://d"), completed()))
        await office.clock.advance(50)

    assert len(receiver.got) == deliveries


async def test_couriers_share_the_work() -> None:
    """Of two couriers of one outbox, one carries each message; one request has one message."""
    receiver = Receiver([200])
    async with at_work(receiver, couriers=2) as office:
        for number in range(100):
            view = completed(f"r{number}")
            await office.outbox.put([*webhook_messages(HOOK, view), *webhook_messages(HOOK, view)])
        await office.clock.advance(10)

    assert sorted(request.content for request in receiver.got) == sorted(f"r{n}".encode() for n in range(100))


async def test_the_application_has_a_courier(app_of: Callable[..., FastAPI], settings: DarkroomSettings) -> None:
    """As long as the application lives, somebody looks after its outbox."""
    looked = asyncio.Event()

    class Watched(MemoryJobStore):
        async def due(self, limit: int, *, lease_s: float, retry_lease_s: float | None = None) -> list:
            looked.set()
            return []

    app = app_of(settings, outbox=Watched(Keeping(ttl_s=1, max_completed=1), clock=FakeClock()))
    async with app.router.lifespan_context(app):
        await asyncio.wait_for(looked.wait(), 10)
    await settle()
