"""What every process that caches is made of, from settings and a store of files."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.cache.call_guard import CallGuard
from app.cache.canonical import canonical_form
from app.cache.exact import ExactCache
from app.cache.levels import PictureLevels
from app.cache.rows import PictureRows
from app.cache.similar.ports import SimilarPictures
from app.cache.takedown import Takedown
from app.config import CacheSettings
from app.storage.blobs import BlobStore, LocalBlobStore


def open_levels(settings: CacheSettings, blobs: BlobStore) -> PictureLevels:
    """The levels below a gateway; without room in memory there are none."""
    remembers = settings.max_entries > 0
    disk = None if settings.local_folder is None else LocalBlobStore(Path(settings.local_folder))
    return PictureLevels(
        memory=ExactCache(blobs=blobs, max_entries=settings.max_entries, tenant_bytes=settings.tenant_bytes),
        blobs=blobs,
        guard=CallGuard("the shared store", timeout_s=settings.timeout_s),
        nearby=PictureRows(disk) if remembers and disk is not None else None,
        shared=PictureRows(blobs) if remembers and settings.shared else None,
    )


class CacheOperations:
    """What an operator asks of the cache and tells it: every level from this gateway down, similar prompts included."""

    def __init__(self, *, levels: PictureLevels, similar: SimilarPictures | None, blobs: BlobStore) -> None:
        self._levels = levels
        self._similar = similar
        self._blobs = blobs

    async def stats(self) -> dict[str, Any]:
        """How many keys each level knows, and what every namespace of similar prompts holds and has shown."""
        namespaces = () if self._similar is None else await self._similar.stats()
        similar = [asdict(record) | {"name": record.namespace.name} for record in namespaces]
        return {"keys": await self._levels.counts(), "similar": similar}

    async def explain(self, prompt: str, *, tenant: str) -> dict[str, Any]:
        """How a prompt is compared, which pictures its wordings find in memory, and who would be nominated for it."""
        form = canonical_form(prompt)
        meant = Takedown(prompt=prompt, tenant=tenant)
        nominees = () if self._similar is None else await self._similar.explain(prompt, tenant=tenant)
        return {
            "compared_as": form.text,
            "raw_because": form.raw_because,
            "remembered": sorted({picture.blob_key for picture in self._levels.memory.matching(meant.matches)}),
            "similar": [asdict(each) for each in nominees],
        }

    async def audit(self, most: int) -> list[dict[str, Any]]:
        """Judge would-be hits among the stored prompts, so many in each namespace at most."""
        return [] if self._similar is None else [asdict(band) for band in await self._similar.audit(most)]

    async def purge(self, takedown: Takedown, *, keep_files: bool) -> dict[str, int]:
        """Forget what is meant at every level; with its files, no other process can answer with it either."""
        similar = frozenset[str]() if self._similar is None else await self._similar.purge(takedown)
        gone = similar | {picture.blob_key for picture in await self._levels.purge(takedown)}
        if takedown.blob_key is not None and takedown == Takedown(blob_key=takedown.blob_key):
            gone |= {takedown.blob_key}
        for blob_key in () if keep_files else gone:
            await self._blobs.delete(blob_key)
        return {"pictures": len(gone), "similar": len(similar), "files": 0 if keep_files else len(gone)}
