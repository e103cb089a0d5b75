"""Similar prompts' pictures in one process: finds, judges, remembers, and goes on where another process ended."""

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial

from app.background import BackgroundTasks
from app.cache.earned import Judge
from app.cache.eviction import Entry as Worth
from app.cache.eviction import TenantShares
from app.cache.exact import Blobs
from app.cache.index.contract import Vector, stored
from app.cache.rows import short_digest
from app.cache.similar.auditing import audited
from app.cache.similar.batching import BatchedEncoder
from app.cache.similar.policy import Action, SimilarityPolicy
from app.cache.similar.ports import BandAudit, Considered, Found, NamespaceRecord
from app.cache.similar.question import Namespace, SimilarQuestion
from app.cache.similar.records import considered, namespace_record
from app.cache.similar.rows import KeptEntry, SimilarRows, written
from app.cache.similar.shard import Entry, Nomination, Shard, first_candidate
from app.cache.similar.shelf import ShardShelf
from app.cache.takedown import Takedown
from app.generation import Picture
from app.telemetry.events import Observer, SimilarJudged, ignore

logger = logging.getLogger(__name__)


class SimilarCache:
    """`SimilarPictures` in this process, behind an encoder and a judge.

    New entries, and hits that nobody waits for, are judged in the background while fewer than `max_pending` others wait
    for the judge; which are left out depends on nothing but that. Changes are written behind, so a crash forgets the
    last ones: an entry that is asked for again is made again, and an audit less delays what would be earned.
    """

    def __init__(
        self,
        *,
        encoder: BatchedEncoder,
        judge: Judge,
        policy: Callable[[str], SimilarityPolicy],
        blobs: Blobs,
        rows: SimilarRows,
        max_entries: int,
        tenant_bytes: int | None = None,
        max_pending: int = 64,
        max_namespaces: int = 1000,
        draw: Callable[[], float] = random.random,
        observe: Observer = ignore,
    ) -> None:
        self._encoder = encoder
        self._judge = judge
        self._blobs = blobs
        self._rows = rows
        self._max_pending = max_pending
        self._draw = draw
        self._observe = observe
        self._shares = TenantShares(max_entries=max_entries, tenant_bytes=tenant_bytes)
        self._judging = asyncio.Lock()
        self._pending = 0
        self._behind = BackgroundTasks()
        self._audits = BackgroundTasks()
        self._takedowns: list[Takedown] = []
        self._owners: dict[str, tuple[Namespace, str]] = {}
        self._shelf = ShardShelf(
            encoder=encoder,
            judge_revision=judge.revision,
            policy=policy,
            rows=rows,
            admit=self._admit,
            let_go=self._let_go,
            max_namespaces=max_namespaces,
        )

    async def find(self, question: SimilarQuestion) -> Found | None:
        """A picture that may answer now; None most of the time, and whenever anything is in doubt."""
        if not self._judge.can_judge(question.prompt):
            return None
        shard = self._shelf.shard(question.namespace)
        nomination = first_candidate(await self._nominations(shard, question.prompt))
        if nomination is None or not self._shelf.is_ready(question.namespace):
            return None
        if not await self._blobs.exists(nomination.entry.picture.blob_key):
            await self._forget(question.namespace, nomination.entry.key)
            return None
        match shard.action(nomination, self._draw()):
            case Action.SERVE:
                return self._found(shard, nomination, was_audited=False)
            case Action.AUDIT:
                is_right = await self._audit(shard, question, nomination)
                return self._found(shard, nomination, was_audited=True) if is_right else None
            case Action.SHADOW if self._pending < self._max_pending:
                self._audits.start(self._audit_unseen(shard, question, nomination))
        return None

    async def taken(self, question: SimilarQuestion, found: Found) -> None:
        """Count the hit; one that was audited counts already."""
        self._shares.touch(_share_key(question.namespace, found.evidence.entry))
        if not found.was_audited:
            self._shelf.shard(question.namespace).record_hit(found.band)
            self._keep_standings(question.namespace)

    async def add(self, question: SimilarQuestion, picture: Picture) -> None:
        """Remember the picture if the judge says that it shows its own prompt: what does not, shows no other."""
        known = len(self._takedowns)
        if self._pending >= self._max_pending or not self._judge.can_judge(question.prompt):
            return
        vector = await self._encoder.vector(question.prompt)
        if vector is None or not await self._verdict(picture.blob_key, question.prompt):
            return
        key = short_digest(f"{picture.blob_key}\n{question.prompt}")
        entry = Entry(key=key, prompt=question.prompt, picture=picture)
        kept = KeptEntry(
            namespace=question.namespace, entry=entry, encoder=self._encoder.revision, vector=written(stored(vector))
        )
        await self._admit(question.namespace, entry, vector)
        if any(takedown.matches(kept.origin, picture.blob_key) for takedown in self._takedowns[known:]):
            await self._forget(question.namespace, key)
        else:
            self._behind.start(self._rows.put(kept))

    async def explain(self, prompt: str, *, tenant: str) -> tuple[Considered, ...]:
        """Who would be nominated for the prompt in the tenant's namespaces in memory; changes nothing."""
        can_judge = self._judge.can_judge(prompt)
        known: list[Considered] = []
        for namespace, shard in self._shelf.shards:
            if namespace.tenant == tenant:
                nominations = await self._nominations(shard, prompt)
                known += [considered(namespace, shard, each, can_judge=can_judge) for each in nominations]
        return tuple(known)

    async def audit(self, most: int) -> tuple[BandAudit, ...]:
        """Judge would-be hits among stored prompts, so many in each namespace at most; changes nothing."""
        audits: list[BandAudit] = []
        for namespace, shard in self._shelf.shards:
            audits += await audited(namespace, shard, nominate=self._nominations, verdict=self._verdict, most=most)
        return tuple(audits)

    async def purge(self, takedown: Takedown) -> frozenset[str]:
        """Forget the entries that are meant, here and in the shared store; returns the keys of their files."""
        self._takedowns.append(takedown)
        await self._behind.rest()
        gone = {kept.entry.picture.blob_key for kept in await self._rows.purge(takedown)}
        # Whatever was read before the rows were gone has come into memory by then.
        await self._shelf.loading.rest()
        for namespace, shard in self._shelf.shards:
            for entry in shard.entries:
                if takedown.matches(namespace.origin(entry.prompt), entry.picture.blob_key):
                    gone.add(entry.picture.blob_key)
                    await self._forget(namespace, entry.key)
        return frozenset(gone)

    async def stats(self) -> tuple[NamespaceRecord, ...]:
        """What every namespace in memory holds and has shown."""
        return tuple(
            namespace_record(namespace, shard, is_ready=self._shelf.is_ready(namespace))
            for namespace, shard in self._shelf.shards
        )

    async def rest(self) -> None:
        """Wait until everything that was begun in the background has ended."""
        while len(self._audits) or len(self._behind) or len(self._shelf.loading):
            for tasks in (self._shelf.loading, self._audits, self._behind):
                await tasks.rest()

    async def close(self) -> None:
        """Stop everything in the background; what waits to be written is written first."""
        await self._audits.close()
        await self._shelf.loading.close()
        await self._behind.rest()
        await self._encoder.close()

    async def _nominations(self, shard: Shard, prompt: str) -> tuple[Nomination, ...]:
        if not len(shard):
            return ()
        vector = await self._encoder.vector(prompt)
        return () if vector is None else await asyncio.to_thread(shard.nominate, prompt, vector)

    def _found(self, shard: Shard, nomination: Nomination, *, was_audited: bool) -> Found | None:
        band = nomination.band
        if band is None:
            return None
        return Found(
            picture=nomination.entry.picture,
            band=band,
            was_audited=was_audited,
            evidence=shard.evidence(nomination, band),
        )

    async def _audit_unseen(self, shard: Shard, question: SimilarQuestion, nomination: Nomination) -> None:
        await self._audit(shard, question, nomination)

    async def _audit(self, shard: Shard, question: SimilarQuestion, nomination: Nomination) -> bool:
        """Whether the judge says that the nominee shows the prompt, and its band, which hears of it, still serves."""
        is_right = await self._verdict(nomination.entry.picture.blob_key, question.prompt)
        band = nomination.band
        if is_right is None or band is None:
            return False
        was_serving = shard.standing(band).state
        shard.record_audit(band, right=is_right)
        if not is_right:
            shard.refuse(question.prompt, nomination.entry.key)
        self._observe(
            SimilarJudged(
                namespace=question.namespace.name,
                band=shard.policy.floors[band],
                right=is_right,
                state=shard.standing(band).state.value,
                changed=shard.standing(band).state is not was_serving,
            )
        )
        self._keep_standings(question.namespace)
        return is_right and shard.standing(band).serves(shard.policy.rule)

    async def _verdict(self, blob_key: str, prompt: str) -> bool | None:
        self._pending += 1
        try:
            async with self._judging:
                return await self._judge.shows(blob_key, prompt)
        except Exception:
            logger.warning("no verdict on %s", blob_key, exc_info=True)
            return None
        finally:
            self._pending -= 1

    async def _admit(self, namespace: Namespace, entry: Entry, vector: Vector) -> None:
        await self._shelf.write(namespace, partial(self._shelf.shard(namespace).add, entry, vector))
        picture = entry.picture
        worth = Worth(
            key=_share_key(namespace, entry.key),
            tenant=namespace.tenant,
            byte_count=picture.byte_count,
            gpu_ms=picture.receipt.gpu_ms,
        )
        self._owners[worth.key] = (namespace, entry.key)
        for gone in self._shares.insert(worth):
            await self._forget(*self._owners[gone])

    async def _forget(self, namespace: Namespace, key: str) -> None:
        shared_as = _share_key(namespace, key)
        self._owners.pop(shared_as, None)
        self._shares.discard(shared_as)
        await self._shelf.write(namespace, partial(self._shelf.shard(namespace).remove, key))
        self._behind.start(self._rows.discard(namespace, key))
        self._shelf.drop_if_empty(namespace)

    def _let_go(self, namespace: Namespace, shard: Shard) -> None:
        """The namespace leaves memory, but not the shared store."""
        for entry in shard.entries:
            shared_as = _share_key(namespace, entry.key)
            self._owners.pop(shared_as, None)
            self._shares.discard(shared_as)

    def _keep_standings(self, namespace: Namespace) -> None:
        self._shelf.keep_standings(namespace, self._behind)


def _share_key(namespace: Namespace, key: str) -> str:
    return f"{namespace.name}/{key}"
