"""What calls leave in the audit log: who, what, when and from where; never what was asked for."""

import uuid
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import HTTPConnection

from app.api.caller import forwarded_for, identity_of
from app.api.doors import action_of
from app.storage.tenants import AuditEntry
from app.tenants.keys import presented_key
from app.tenants.notebook import Notebook

REFUSALS_APART_S = 60.0
MOST_REFUSED = 10_000
_LONGEST = 200
_REFUSED = (401, 403, 429)


def random_entry_id() -> str:
    """An id for an entry, unique in every log."""
    return uuid.uuid4().hex


class AuditTrail:
    """Notes what tenants do, and who was refused.

    Calls that only look leave nothing. Refusals with one key and status from one address are written down once a
    minute, so that nobody fills the log by knocking.
    """

    def __init__(
        self, notebook: Notebook, *, clock: Callable[[], float], new_id: Callable[[], str] = random_entry_id
    ) -> None:
        self._notebook = notebook
        self._clock = clock
        self._new_id = new_id
        self._refused: OrderedDict[tuple[str, str, int], float] = OrderedDict()

    def answered(self, connection: HTTPConnection, *, method: str, status: int) -> None:
        """A tenant's call was answered with that status."""
        if status in _REFUSED:
            self.refused(connection, method=method, status=status)
        elif (action := action_of(method, connection.scope["path"])) is not None:
            subject = _file_of(connection) if action == "delete" else connection.state.request_id
            self._note(connection, action, subject, status)

    def refused(self, connection: HTTPConnection, *, method: str, status: int) -> None:
        """A call was refused: for want of a key or a scope, or because a quota is used up."""
        now_s = self._clock()
        who = (_origin(connection), _identity(connection)[1], status)
        if now_s - self._refused.get(who, -REFUSALS_APART_S) < REFUSALS_APART_S:
            return
        self._refused[who] = now_s
        self._refused.move_to_end(who)
        if len(self._refused) > MOST_REFUSED:
            self._refused.popitem(last=False)
        self._note(connection, "refused", f"{method} {connection.scope['path']}", status)

    def _note(self, connection: HTTPConnection, action: str, subject: str, status: int) -> None:
        tenant, key_id = _identity(connection)
        self._notebook.note_entry(
            AuditEntry(
                entry_id=self._new_id(),
                at_s=self._clock(),
                tenant=tenant,
                key_id=key_id,
                action=action,
                subject=_printable(subject),
                outcome=str(status),
                origin=_origin(connection),
            )
        )


def _identity(connection: HTTPConnection) -> tuple[str, str]:
    """Tenant and key id; of a key that opens nothing its id alone, in nobody's name."""
    if hasattr(connection.state, "identity"):
        return identity_of(connection).tenant, identity_of(connection).key_id
    presented = presented_key(connection.headers.get("authorization", ""))
    return "", "" if presented is None else presented.key_id


def _file_of(connection: HTTPConnection) -> str:
    return str(connection.scope["path"]).partition("/files/")[2]


def _origin(connection: HTTPConnection) -> str:
    peer = connection.client.host if connection.client is not None else "local socket"
    forwarded = forwarded_for(connection)
    return _printable(f"{peer} for {forwarded}" if forwarded else peer)


def _printable(text: str) -> str:
    """The text without what a terminal would act on, shortened, and never with a database's forbidden zero."""
    return "".join(character if character.isprintable() else "?" for character in text[:_LONGEST])
