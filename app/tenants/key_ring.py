"""The keys that callers show, looked up once and remembered for a moment."""

from collections import OrderedDict
from collections.abc import Callable

from app.errors import UnauthorizedError
from app.storage.tenants import KeyRecord, TenantStore
from app.tenants.keys import PresentedKey, is_good, opens

MOST_REMEMBERED = 10_000


class KeyRing:
    """Finds keys; a change made by any process is noticed here within `staleness_s` seconds.

    The same is remembered of ids that nobody has, so that guessing asks the store no oftener than that.
    """

    def __init__(self, store: TenantStore, *, staleness_s: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._staleness_s = staleness_s
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, KeyRecord | None]] = OrderedDict()

    async def opened(self, presented: PresentedKey) -> KeyRecord:
        """The key that was shown; raises UnauthorizedError, in the same words whatever is wrong with it."""
        record = await self._find(presented.key_id)
        if not opens(presented, record, now_s=self._clock()) or record is None:
            raise UnauthorizedError("The API key is not valid")
        return record

    async def still_good(self, key_id: str) -> KeyRecord:
        """The key with which something was granted before; raises UnauthorizedError when it has ended."""
        record = await self._find(key_id)
        if record is None or not is_good(record, now_s=self._clock()):
            raise UnauthorizedError("The API key behind this token is not valid any more")
        return record

    async def _find(self, key_id: str) -> KeyRecord | None:
        now_s = self._clock()
        if key_id in self._seen and now_s - self._seen[key_id][0] < self._staleness_s:
            return self._seen[key_id][1]
        record = await self._store.key(key_id)
        self._seen[key_id] = (now_s, record)
        self._seen.move_to_end(key_id)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return record
