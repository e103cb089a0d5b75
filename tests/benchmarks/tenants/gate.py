"""What it costs to know who calls: one call through the gate, without and with a key, and nothing else.

Run it as `python tests/benchmarks/tenants/gate.py`; it prints microseconds per call, the median of several rounds.
"""

import asyncio
import statistics
import time
from typing import Any

from app.api.audit import AuditTrail
from app.api.doorkeeper import Doorkeeper
from app.api.gate import Gate
from app.api.tokens import Tokens
from app.config import DarkroomSettings
from app.storage.tenants import AuditEntry, MemoryTenantStore, Scope
from app.tenants.keys import NewKey, new_key
from app.tenants.tenancy import open_tenancy

CALLS = 5_000
ROUNDS = 9
SECRET = b"s" * 32
SETTINGS = DarkroomSettings.model_validate(
    {"variants": {"a": {"source": "x"}}, "endpoints": {"fal-ai/esrgan": {"task": "upscale"}}}
)

Headers = list[tuple[bytes, bytes]]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def ignore(message: Any) -> None:
    """A client that reads nothing."""


def call(headers: Headers) -> dict[str, Any]:
    """A status poll from this machine."""
    return {
        "type": "http",
        "method": "GET",
        "path": "/queue/fal-ai/flux/requests/00000000-0000-4000-8000-000000000000/status",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
    }


async def microseconds(app: Any, headers: Headers) -> float:
    """The time of one call."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            await app(call(headers) | {"state": {"request_id": "r"}}, None, ignore)
        rounds.append((time.perf_counter() - began) / CALLS * 1e6)
    return statistics.median(rounds)


async def gate_of(made: NewKey) -> Gate:
    """A gate on the loopback that knows one key."""
    store = MemoryTenantStore()
    entry = AuditEntry(entry_id="e", at_s=0, tenant="t", key_id="k", action="a", subject="", outcome="", origin="")
    await store.put_key(made.record, entry)
    tenancy = open_tenancy(store, SETTINGS.auth)
    tokens = Tokens(SECRET, clock=time.time)
    doorkeeper = Doorkeeper(ring=tenancy.ring, tokens=tokens, secret=SECRET, settings=SETTINGS)
    return Gate(answer, doorkeeper=doorkeeper, trail=AuditTrail(tenancy.notebook, clock=time.time))


async def main() -> None:
    """Print the table."""
    made = new_key("acme", list(Scope), now_s=time.time())
    gate = await gate_of(made)
    shown = [(b"authorization", f"Key {made.text}".encode())]
    bare = await microseconds(answer, [])
    print(f"no gate                         {bare:6.1f} us")
    for name, headers in (("no key, on this machine", []), ("any:key, on this machine", ANY), ("a key", shown)):
        print(f"{name:<31} {await microseconds(gate, headers) - bare:6.1f} us more")


ANY: Headers = [(b"authorization", b"Key any:key")]

if __name__ == "__main__":
    asyncio.run(main())
