"""The tenants' accounts of this process, kept in step with those of others through the store."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from app.cache_levels import CacheLevel
from app.config import AuthSettings, QuotaSettings
from app.errors import StoreUnavailableError
from app.generation import LOCAL_TENANT, Picture
from app.storage.tenants import Presence, StoredFile, TenantStore
from app.tenants.account import Account
from app.tenants.notebook import Notebook
from app.tenants.quotas import BUCKET_S, Usage, refusal, storage_refusal, within

logger = logging.getLogger(__name__)

PRESENCE_S = 90.0


class Ledger:
    """Admits requests by their tenants' quotas; implements Admission.

    What others use is read again before a decision when it is older than `auth.usage_staleness_s`: all processes
    together admit at most what one may, and what the others have begun in that time and in the moment of writing it
    down. A process that died is thought to have its requests under way for PRESENCE_S seconds. The local tenant is
    counted only when it has a quota of its own.
    """

    def __init__(
        self,
        store: TenantStore,
        settings: AuthSettings,
        *,
        notebook: Notebook,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._settings = settings
        self._notebook = notebook
        self._clock = clock
        self._sleep = sleep
        self._accounts: dict[str, Account] = {}

    async def run(self) -> None:
        """Say again and again that what is under way still is, and drop what is over, until cancelled."""
        while True:
            await self._sleep(PRESENCE_S / 3)
            now_s = self._clock()
            before_s = now_s - self._settings.longest_window_s - BUCKET_S
            for tenant, account in self._accounts.items():
                account.forget(before_s)
                if account.under_way:
                    self._tell_presence(tenant, account)
            try:
                await self._store.forget(before_s=before_s, now_s=now_s)
            except StoreUnavailableError:
                logger.warning("what is over in the tenant store stays for now: it cannot be reached")

    def direct(self, tenant: str) -> AbstractAsyncContextManager[None]:
        """A direct request is under way as long as the block; raises QuotaExceededError."""
        return self._direct(tenant) if self._counts(tenant) else nullcontext()

    async def queued(self, tenant: str) -> None:
        """A request comes into the queue; raises QuotaExceededError."""
        if self._counts(tenant):
            await self._admit(tenant, is_direct=False)

    def made(self, tenant: str, pictures: tuple[Picture, ...]) -> None:
        """Charge the device's time for the pictures that were made for a request of the tenant, and note its files."""
        made = [picture for picture in pictures if picture.receipt.cache is CacheLevel.NONE]
        if not made or not self._counts(tenant):
            return
        account = self._account(tenant)
        gpu_ms = sum(picture.receipt.gpu_ms for picture in made)
        self._notebook.note_use(tenant, account.count(now_s=self._clock(), gpu_ms=gpu_ms))
        for picture in made:
            self.stored(StoredFile(picture.blob_key, tenant, picture.byte_count))

    async def may_store(self, tenant: str) -> None:
        """Raises QuotaExceededError when the tenant's files take as much as they may."""
        if self._counts(tenant):
            account = await self._in_step(tenant)
            error = storage_refusal(self._settings.quota_of(tenant), account.usage, now_s=self._clock())
            if error is not None:
                raise error

    def stored(self, file: StoredFile) -> None:
        """Note a file of a tenant that is counted."""
        if self._counts(file.tenant):
            self._account(file.tenant).unseen_bytes += file.byte_count
            self._notebook.note_file(file)

    async def owns(self, tenant: str, file_key: str) -> bool:
        """Whether the file, if there is one, is the tenant's; one whose owner nobody noted is the local tenant's."""
        await self._notebook.flush()
        return (await self._store.owner(file_key) or LOCAL_TENANT) == tenant

    async def forget_file(self, file_key: str) -> None:
        """The file is no more."""
        await self._store.forget_file(file_key)

    async def usage(self, tenant: str) -> tuple[QuotaSettings, Usage]:
        """The tenant's quota, and what it has used in its window."""
        quota = self._settings.quota_of(tenant)
        account = self._account(tenant)
        await self._look_around(tenant, account, quota)
        usage = account.usage
        kept = within(usage.buckets, quota, now_s=self._clock())
        return quota, Usage(buckets=kept, under_way=usage.under_way, stored_bytes=usage.stored_bytes)

    def _counts(self, tenant: str) -> bool:
        return tenant != LOCAL_TENANT or self._settings.quota_of(tenant).is_limited

    def _account(self, tenant: str) -> Account:
        return self._accounts.setdefault(tenant, Account())

    @asynccontextmanager
    async def _direct(self, tenant: str) -> AsyncIterator[None]:
        account = await self._admit(tenant, is_direct=True)
        account.under_way += 1
        self._tell_presence(tenant, account)
        try:
            yield
        finally:
            account.under_way -= 1
            self._tell_presence(tenant, account)

    async def _admit(self, tenant: str, *, is_direct: bool) -> Account:
        account = await self._in_step(tenant)
        now_s = self._clock()
        error = refusal(self._settings.quota_of(tenant), account.usage, now_s=now_s, is_direct=is_direct)
        if error is not None:
            raise error
        self._notebook.note_use(tenant, account.count(now_s=now_s, requests=1))
        return account

    async def _in_step(self, tenant: str) -> Account:
        account, quota = self._account(tenant), self._settings.quota_of(tenant)
        if quota.is_limited and self._is_stale(account):
            async with account.reading:
                if self._is_stale(account):
                    await self._look_around(tenant, account, quota)
        return account

    def _is_stale(self, account: Account) -> bool:
        return self._clock() - account.seen_s >= self._settings.usage_staleness_s

    async def _look_around(self, tenant: str, account: Account, quota: QuotaSettings) -> None:
        await self._notebook.flush()
        now_s = self._clock()
        since_s = now_s - quota.window_s - BUCKET_S
        buckets, under_way, footprint = await asyncio.gather(
            self._store.used_elsewhere(tenant, since_s=since_s),
            self._store.under_way_elsewhere(tenant, now_s=now_s),
            self._store.footprint(tenant, now_s=now_s),
        )
        elsewhere = Usage(
            buckets=tuple(buckets),
            under_way=under_way,
            stored_bytes=footprint.byte_count,
            next_expiry_s=footprint.next_expiry_s,
        )
        account.see(elsewhere, now_s=now_s)

    def _tell_presence(self, tenant: str, account: Account) -> None:
        self._notebook.note_presence(Presence(tenant, account.under_way, self._clock() + PRESENCE_S))
