"""A job store for one process: it forgets everything with it."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace

from app.compound import QueuedRequest, queue_of
from app.errors import LeaseLostError, RepeatedKeyError, UnknownRequestError
from app.storage.jobs.contract import (
    Acknowledgement,
    Claim,
    Keeping,
    Lease,
    NewRequest,
    Once,
    Progress,
    RequestState,
    RequestView,
    Standing,
)
from app.storage.jobs.news import News
from app.storage.jobs.outbox import Message


@dataclass(slots=True, kw_only=True)
class _Entry:
    tenant: str
    view: RequestView
    request: QueuedRequest | None
    submitted_s: float
    deadline_s: float
    keep_s: float
    once: Once | None
    fence: int = 1
    leased_until_s: float = 0.0
    attempts: int = 0
    has_begun: bool = False
    expires_s: float | None = None

    @property
    def lease(self) -> Lease:
        return Lease(self.view.request_id, self.fence)


class MemoryJobStore:
    """Everything in dictionaries; nothing outlives the process."""

    def __init__(self, keeping: Keeping, *, clock: Callable[[], float]) -> None:
        self._keeping = keeping
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._completed: OrderedDict[str, float] = OrderedDict()
        self._keys: dict[tuple[str, str], str] = {}
        self._messages: dict[str, Message] = {}
        self._news = News()

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def submit(self, new: NewRequest) -> Acknowledgement:
        """Keep the request and lease it to this worker; raises RepeatedKeyError."""
        self._forget()
        if new.once is not None and (new.once.tenant, new.once.key) in self._keys:
            return self._same(new.once)
        if (known := self._entries.get(new.view.request_id)) is not None:
            return Acknowledgement(known.view, known.lease)
        entry = self._entries[new.view.request_id] = _Entry(
            tenant=new.view.tenant,
            view=new.view,
            request=new.request,
            submitted_s=new.submitted_s,
            deadline_s=new.deadline_s,
            keep_s=self._keeping.keep_s(new.request),
            once=new.once,
            leased_until_s=self._lease_end_s(),
        )
        if new.once is not None:
            self._keys[new.once.tenant, new.once.key] = new.view.request_id
        await self.put(new.messages)
        if new.view.is_completed:
            self._conclude(entry)
        return Acknowledgement(new.view, entry.lease)

    async def claim(self, limit: int) -> list[Claim]:
        """Lease at most so many unfinished requests whose lease is over, most urgent first."""
        free = [entry for entry in self._unfinished() if entry.leased_until_s < self._clock()]
        return [self._leased(entry) for entry in sorted(free, key=lambda entry: entry.deadline_s)[:limit]]

    async def renew(self) -> list[Lease]:
        """Extend all leases, which are all this worker's."""
        held = [entry for entry in self._unfinished() if entry.leased_until_s > 0]
        for entry in held:
            entry.leased_until_s = self._lease_end_s()
        return [entry.lease for entry in held]

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases at once."""
        for entry in self._held(leases):
            entry.leased_until_s = 0.0

    async def publish(self, progress: Sequence[Progress]) -> None:
        """Show how far requests are."""
        for each in progress:
            for entry in self._held([each.lease]):
                entry.view = each.view
                entry.has_begun = entry.has_begun or each.has_begun
                self._news.tell(each.lease.request_id)

    async def complete(self, lease: Lease, view: RequestView, *, messages: Sequence[Message] = ()) -> RequestView:
        """Complete the request, or tell how it was completed before; raises LeaseLostError, UnknownRequestError."""
        entry = self._known(lease.request_id)
        if entry.view.is_completed:
            return entry.view
        if entry.fence != lease.fence:
            raise LeaseLostError(f"another worker has the lease of request {lease.request_id}")
        entry.view = view
        await self.put(messages)
        self._conclude(entry)
        self._news.tell(lease.request_id)
        return view

    async def get(self, request_id: str, *, tenant: str | None = None) -> RequestView:
        """The latest view; raises UnknownRequestError."""
        entry = self._known(request_id, tenant)
        return replace(entry.view, queue_position=self._position(entry))

    async def standing(self, request_id: str, *, tenant: str | None = None) -> Standing:
        """The request and the lease under which it is now; raises UnknownRequestError."""
        entry = self._known(request_id, tenant)
        return Standing(entry.lease, entry.view, entry.request)

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
        """Nobody else changes anything here."""

    async def forget(self) -> None:
        """Drop what has been kept long enough."""
        self._forget()

    async def put(self, messages: Sequence[Message]) -> None:
        """Keep the messages; an id that is there already is ignored."""
        for message in messages:
            self._messages.setdefault(message.message_id, message)

    async def due(self, limit: int, *, lease_s: float, retry_lease_s: float | None = None) -> list[Message]:
        """At most so many messages that are due, the oldest first."""
        now_s = self._clock()
        due = sorted((each for each in self._messages.values() if each.due_s <= now_s), key=lambda each: each.due_s)
        later_s = lease_s if retry_lease_s is None else retry_lease_s
        leased = [replace(each, due_s=now_s + (later_s if each.attempts else lease_s)) for each in due[:limit]]
        self._messages.update({message.message_id: message for message in leased})
        return leased

    async def delivered(self, message_id: str) -> None:
        """Forget the message."""
        self._messages.pop(message_id, None)

    async def failed(self, message_id: str, *, retry_at_s: float) -> None:
        """Count a failed delivery and make the message due again at that time."""
        if (message := self._messages.get(message_id)) is not None:
            self._messages[message_id] = replace(message, due_s=retry_at_s, attempts=message.attempts + 1)

    def _same(self, once: Once) -> Acknowledgement:
        entry = self._entries[self._keys[once.tenant, once.key]]
        if entry.once != once:
            raise RepeatedKeyError("this key came with another request before")
        return Acknowledgement(entry.view, None)

    def _leased(self, entry: _Entry) -> Claim:
        entry.fence += 1
        entry.attempts += entry.has_begun
        entry.has_begun = False
        entry.leased_until_s = self._lease_end_s()
        assert entry.request is not None
        return Claim(
            lease=entry.lease,
            request=entry.request,
            view=entry.view,
            submitted_s=entry.submitted_s,
            attempts=entry.attempts,
        )

    def _lease_end_s(self) -> float:
        return self._clock() + self._keeping.lease_s

    def _unfinished(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if not entry.view.is_completed]

    def _held(self, leases: Sequence[Lease]) -> list[_Entry]:
        fences = {lease.request_id: lease.fence for lease in leases}
        known = [self._entries[request_id] for request_id in fences if request_id in self._entries]
        return [e for e in known if e.fence == fences[e.view.request_id] and not e.view.is_completed]

    def _known(self, request_id: str, tenant: str | None = None) -> _Entry:
        self._forget()
        entry = self._entries.get(request_id)
        if entry is None or tenant not in (None, entry.tenant):
            raise UnknownRequestError(f"no request {request_id}")
        return entry

    def _position(self, entry: _Entry) -> int | None:
        if entry.view.state is not RequestState.QUEUED:
            return None
        waiting = [e for e in self._unfinished() if e.view.state is RequestState.QUEUED and _is_same_queue(e, entry)]
        return sum(other.deadline_s < entry.deadline_s for other in waiting)

    def _conclude(self, entry: _Entry) -> None:
        entry.request = None
        entry.expires_s = self._clock() + entry.keep_s
        self._completed[entry.view.request_id] = entry.expires_s
        self._forget()

    def _forget(self) -> None:
        now_s = self._clock()
        beyond = len(self._completed) - self._keeping.max_completed
        gone = [each for n, (each, end_s) in enumerate(self._completed.items()) if n < beyond or end_s < now_s]
        for request_id in gone:
            del self._completed[request_id]
            once = self._entries.pop(request_id).once
            if once is not None:
                self._keys.pop((once.tenant, once.key), None)


def _is_same_queue(one: _Entry, other: _Entry) -> bool:
    return one.request is not None and other.request is not None and queue_of(one.request) == queue_of(other.request)
