"""The entries and records of namespaces as files: what a replica reads when it takes a namespace over."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import TypeAdapter

from app.cache.earned import Standing
from app.cache.index.contract import Stored
from app.cache.origin import Origin
from app.cache.rows import Files, read_record, read_records, short_digest
from app.cache.similar.question import Namespace
from app.cache.similar.shard import Entry
from app.cache.takedown import Takedown

_ENTRIES = "cache/similar"
_STANDINGS = "cache/standings"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEntry:
    """An entry with its vector, as an encoder of that revision saw its prompt."""

    namespace: Namespace
    entry: Entry
    encoder: str
    vector: str

    @property
    def origin(self) -> Origin:
        """Where its picture came from."""
        return self.namespace.origin(self.entry.prompt)

    @property
    def direction(self) -> Stored:
        """The vector."""
        return np.frombuffer(base64.b64decode(self.vector), dtype=np.float16)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStandings:
    """The records of a namespace's bands; they count only on the `basis` on which they were earned."""

    basis: str
    bands: dict[int, Standing]


_ENTRY = TypeAdapter(KeptEntry)
_STANDING = TypeAdapter(KeptStandings)


def written(vector: Stored) -> str:
    """The vector as text."""
    return base64.b64encode(vector.tobytes()).decode()


class SimilarRows:
    """Entries in a folder for each namespace, and one file for what its bands have shown."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def entries(self, namespace: Namespace) -> tuple[KeptEntry, ...]:
        """All entries of the namespace that this version can read."""
        paths = await self._files.keys(f"{_ENTRIES}/{namespace.name}")
        return tuple(row for _, row in await read_records(self._files, paths, _ENTRY))

    async def put(self, kept: KeptEntry) -> None:
        """Write an entry, in place of one under its key."""
        await self._files.put(_path(kept.namespace, kept.entry.key), _ENTRY.dump_json(kept))

    async def discard(self, namespace: Namespace, key: str) -> None:
        """Forget an entry; unknown keys are ignored."""
        await self._files.delete(_path(namespace, key))

    async def purge(self, takedown: Takedown) -> tuple[KeptEntry, ...]:
        """Forget the entries that are meant; returns them."""
        folder = _ENTRIES if takedown.tenant is None else f"{_ENTRIES}/{short_digest(takedown.tenant)}"
        gone = []
        for path, row in await read_records(self._files, await self._files.keys(folder), _ENTRY):
            if takedown.matches(row.origin, row.entry.picture.blob_key):
                await self._files.delete(path)
                gone.append(row)
        return tuple(gone)

    async def standings(self, namespace: Namespace, basis: str) -> Mapping[int, Standing]:
        """What the bands have shown on this basis."""
        kept = await read_record(self._files, f"{_STANDINGS}/{namespace.name}.json", _STANDING)
        return kept.bands if kept is not None and kept.basis == basis else {}

    async def put_standings(self, namespace: Namespace, basis: str, bands: Mapping[int, Standing]) -> None:
        """Keep what the bands have shown."""
        kept = KeptStandings(basis=basis, bands=dict(bands))
        await self._files.put(f"{_STANDINGS}/{namespace.name}.json", _STANDING.dump_json(kept))


def _path(namespace: Namespace, key: str) -> str:
    return f"{_ENTRIES}/{namespace.name}/{key}.json"
