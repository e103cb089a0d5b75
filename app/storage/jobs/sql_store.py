"""The job store over a database: every promise is one statement, so that no two workers can break it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import app.storage.jobs.statements as statements
from app.compound import queue_of
from app.errors import LeaseLostError, RepeatedKeyError, StoreUnavailableError, UnknownRequestError
from app.storage.jobs.codec import FORMAT, decode_request, decode_view, encode_request, encode_view
from app.storage.jobs.contract import (
    Acknowledgement,
    Claim,
    Keeping,
    Lease,
    NewRequest,
    Progress,
    RequestView,
    Standing,
)
from app.storage.jobs.database import Database, Row, Statement
from app.storage.jobs.news import News
from app.storage.jobs.outbox import Message
from app.storage.jobs.sql_outbox import SqlOutbox, parameters_of

_SUBMIT_TRIES = 3


class SqlJobStore(SqlOutbox):
    """Requests in a table; `worker` names this process among those that share it.

    All workers' clocks must agree to within a small part of the lease.
    """

    def __init__(self, database: Database, keeping: Keeping, *, worker: str, clock: Callable[[], float]) -> None:
        super().__init__(database, clock=clock)
        self._keeping = keeping
        self._worker = worker
        self._news = News()

    async def open(self) -> None:
        """Connect and bring the schema up to date; raises ConfigurationError, StoreUnavailableError."""
        await self._database.open(self._news)

    async def close(self) -> None:
        """Disconnect."""
        await self._database.close()

    async def submit(self, new: NewRequest) -> Acknowledgement:
        """Keep the request and lease it to this worker; raises RepeatedKeyError."""
        row = self._row_for(new)
        sent = [(statements.PUT_MESSAGE_OF_RESULT, row | parameters_of(each) | {"fence": 1}) for each in new.messages]
        for _ in range(_SUBMIT_TRIES):
            if await self._database.write((statements.SUBMIT, row), *sent):
                return Acknowledgement(new.view, Lease(new.view.request_id, 1))
            if (known := await self._known(row)) is not None:
                return known
            await self.forget()
        raise StoreUnavailableError(f"request {new.view.request_id} could not be kept")

    async def claim(self, limit: int) -> list[Claim]:
        """Lease at most so many unfinished requests whose lease is over, most urgent first."""
        now_s = self._clock()
        until_s = now_s + self._keeping.lease_s
        asked = {"worker": self._worker, "now_s": now_s, "leased_until_s": until_s, "format": FORMAT, "most": limit}
        rows = await self._database.write((self._locking(statements.CLAIM), asked))
        return [_claim(row) for row in sorted(rows, key=lambda row: row[-1])]

    async def renew(self) -> list[Lease]:
        """Extend all leases of this worker that nobody has taken over."""
        asked = {"worker": self._worker, "leased_until_s": self._clock() + self._keeping.lease_s}
        return [Lease(*row) for row in await self._database.write((statements.RENEW, asked))]

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases at once."""
        if leases:
            await self._database.write(*((statements.RELEASE, asdict(lease)) for lease in leases))

    async def publish(self, progress: Sequence[Progress]) -> None:
        """Show how far requests are."""
        changes = [statement for each in progress for statement in self._published(each)]
        if changes:
            await self._database.write(*changes)
        for each in progress:
            self._news.tell(each.lease.request_id)

    async def complete(self, lease: Lease, view: RequestView, *, messages: Sequence[Message] = ()) -> RequestView:
        """Complete the request, or tell how it was completed before; raises LeaseLostError, UnknownRequestError."""
        text = encode_view(view)
        result = asdict(lease) | {"view": text}
        sent = ((statements.PUT_MESSAGE_OF_RESULT, result | parameters_of(each)) for each in messages)
        announced = self._database.announcement(lease.request_id)
        changed = await self._database.write(
            (statements.COMPLETE, result | {"now_s": self._clock()}), *sent, *announced
        )
        if not changed:
            return await self._winner(lease, view, text)
        self._news.tell(lease.request_id)
        return view

    async def get(self, request_id: str, *, tenant: str | None = None) -> RequestView:
        """The latest view; raises UnknownRequestError."""
        text, *_, position = await self._row_of(request_id, tenant)
        return replace(decode_view(text), queue_position=position)

    async def standing(self, request_id: str, *, tenant: str | None = None) -> Standing:
        """The request and the lease under which it is now; raises UnknownRequestError."""
        view, fence, request, _ = await self._row_of(request_id, tenant)
        return Standing(Lease(request_id, fence), decode_view(view), decode_request(request) if request else None)

    async def watch(self, request_id: str, *, tenant: str | None = None) -> AsyncGenerator[RequestView, None]:
        """The view now and at every change, the completed one last; raises UnknownRequestError."""
        signal = self._news.signal(request_id)
        while True:
            changed = signal.next_time()
            view = await self.get(request_id, tenant=tenant)
            yield view
            if view.is_completed:
                return
            await changed.wait()

    def listen(self, hear: Callable[[str | None], None]) -> None:
        """Call `hear` with the id of each request that another worker changed; None: it may be any."""
        self._news.listen(hear)

    async def forget(self) -> None:
        """Drop what has been kept long enough, and the oldest completed requests beyond the limit."""
        asked = {"now_s": self._clock(), "beyond": self._keeping.max_completed - 1}
        await self._database.write((statements.FORGET, asked))

    def _row_for(self, new: NewRequest) -> dict[str, Any]:
        now_s = self._clock()
        keep_s = self._keeping.keep_s(new.request)
        request, once, ended = new.request, new.once, new.view.is_completed
        return {
            "request_id": new.view.request_id,
            "tenant": new.view.tenant,
            "variant": "" if request is None else queue_of(request),
            "state": new.view.state.value,
            "format": FORMAT,
            "request": None if request is None or ended else encode_request(request),
            "view": encode_view(new.view),
            "submitted_s": new.submitted_s,
            "deadline_s": new.deadline_s,
            "keep_s": keep_s,
            "worker": self._worker,
            "leased_until_s": now_s + self._keeping.lease_s,
            "completed_s": now_s if ended else None,
            "expires_s": now_s + keep_s if ended else None,
            "once_key": None if once is None else once.key,
            "fingerprint": None if once is None else once.fingerprint,
            "now_s": now_s,
        }

    async def _known(self, row: dict[str, Any]) -> Acknowledgement | None:
        for view, fence in await self._database.read((statements.SUBMITTED, row)):
            return Acknowledgement(decode_view(view), Lease(row["request_id"], fence))
        for view, fingerprint in await self._database.read((statements.SAME_KEY, row)):
            if fingerprint != row["fingerprint"]:
                raise RepeatedKeyError("this key came with another request before")
            return Acknowledgement(decode_view(view), None)
        return None

    async def _winner(self, lease: Lease, view: RequestView, text: str) -> RequestView:
        kept_text, *_ = await self._row_of(lease.request_id)
        kept = decode_view(kept_text)
        if not kept.is_completed:
            raise LeaseLostError(f"another worker has the lease of request {lease.request_id}")
        return view if kept_text == text else kept

    async def _row_of(self, request_id: str, tenant: str | None = None) -> Row:
        asked = {"request_id": request_id, "tenant": tenant, "now_s": self._clock()}
        rows = await self._database.read((statements.GET, asked))
        if not rows:
            raise UnknownRequestError(f"no request {request_id}")
        return rows[0]

    def _published(self, progress: Progress) -> tuple[Statement, ...]:
        shown = {"state": progress.view.state.value, "view": encode_view(progress.view)}
        change = asdict(progress.lease) | shown | {"has_begun": int(progress.has_begun)}
        return (statements.PUBLISH, change), *self._database.announcement(progress.lease.request_id)


def _claim(row: Row) -> Claim:
    request_id, fence, request, view, submitted_s, attempts, _ = row
    return Claim(
        lease=Lease(request_id, fence),
        request=decode_request(request),
        view=decode_view(view),
        submitted_s=submitted_s,
        attempts=attempts,
    )
