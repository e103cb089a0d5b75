"""Pictures of similar prompts with everything they need: an encoder, a judge, and a store that all share."""

import asyncio
from pathlib import Path

from app.builtin.picture_judge import PictureJudge
from app.cache.earned import Judge
from app.cache.similar import BatchedEncoder, SimilarCache
from app.cache.similar.building import policies
from app.cache.similar.rows import SimilarRows
from app.config import CacheSettings, SimilaritySettings
from app.inference.image_text_judge import load_judge
from app.inference.text_encoding import load_text_encoder
from app.storage.blobs import BlobStore
from app.telemetry.events import Observer, ignore


async def open_similar(settings: CacheSettings, blobs: BlobStore, *, observe: Observer = ignore) -> SimilarCache:
    """The cache of this process; raises ConfigurationError when its encoder or its judge cannot be had."""
    similar = settings.similar
    encoder = await asyncio.to_thread(load_text_encoder, similar.encoder)
    return SimilarCache(
        encoder=BatchedEncoder(encoder),
        judge=await asyncio.to_thread(_open_judge, similar, blobs),
        policy=policies(similar),
        blobs=blobs,
        rows=SimilarRows(blobs),
        max_entries=similar.max_entries,
        tenant_bytes=settings.tenant_bytes,
        observe=observe,
    )


def _open_judge(settings: SimilaritySettings, blobs: BlobStore) -> Judge:
    if settings.judge == "builtin":
        return PictureJudge(blobs, threshold=settings.judge_threshold)
    return load_judge(Path(settings.judge).expanduser(), blobs, threshold=settings.judge_threshold)
