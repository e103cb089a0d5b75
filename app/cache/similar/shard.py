"""The entries of one namespace and what its bands have earned: everything about them that needs no waiting."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from app.cache.earned import Standing
from app.cache.index import GrowingIndex
from app.cache.index.contract import Vector
from app.cache.similar.policy import Action, SimilarityPolicy
from app.cache.similar.verifier import refusal
from app.cache_levels import SimilarityEvidence
from app.generation import Picture

NOMINEES = 4
_REMEMBERED_WRONG = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A picture, by its name in the namespace, and the prompt that it was made for and shows."""

    key: str
    prompt: str
    picture: Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Nomination:
    """An entry that the index named; `refused_because` says what speaks against it, `band` is None where that does."""

    entry: Entry
    similarity: float
    band: int | None
    refused_because: str | None


class Shard:
    """A namespace in memory. One thread at a time writes; others may nominate meanwhile."""

    def __init__(self, *, dimensions: int, policy: SimilarityPolicy) -> None:
        self.policy = policy
        self._index = GrowingIndex(dimensions)
        self._entries: dict[str, Entry] = {}
        self._standings: dict[int, Standing] = {}
        self._wrong: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries."""
        return tuple(self._entries.values())

    @property
    def memory_bytes(self) -> int:
        """What the index takes."""
        return self._index.memory_bytes

    @property
    def standings(self) -> Mapping[int, Standing]:
        """The record of every band that has one."""
        return dict(self._standings)

    def resume(self, standings: Mapping[int, Standing]) -> None:
        """Go on with records that were kept."""
        self._standings.update(standings)

    def add(self, entry: Entry, vector: Vector) -> None:
        """Take the entry in, in place of one under its key; raises ValueError for a vector without a direction."""
        self._entries[entry.key] = entry
        self._index.put(entry.key, vector)

    def remove(self, key: str) -> bool:
        """Forget the entry; false when it was not there."""
        self._index.remove(key)
        return self._entries.pop(key, None) is not None

    def nominate(self, prompt: str, vector: Vector) -> tuple[Nomination, ...]:
        """The most similar entries, each with what speaks against it."""
        nominees = self._index.nearest(vector, NOMINEES)
        known = [(self._entries.get(nominee.key), nominee.similarity) for nominee in nominees]
        return tuple(self._vetted(prompt, entry, similarity) for entry, similarity in known if entry is not None)

    def refuse(self, prompt: str, key: str) -> None:
        """Nominate the entry for this prompt no longer, since it was judged wrong."""
        self._wrong[prompt, key] = None
        if len(self._wrong) > _REMEMBERED_WRONG:
            self._wrong.popitem(last=False)

    def standing(self, band: int) -> Standing:
        """The record of a band."""
        return self._standings.get(band, Standing())

    def action(self, nomination: Nomination, draw: float) -> Action:
        """What to do with a nominee; `draw` is uniform in [0, 1)."""
        if nomination.band is None:
            return Action.REFUSE
        return self.policy.action(self.standing(nomination.band), draw)

    def record_hit(self, band: int) -> None:
        """A nominee of the band was served without an audit."""
        self._standings[band] = self.standing(band).after_hit()

    def record_audit(self, band: int, *, right: bool) -> None:
        """The judge has spoken about a nominee of the band."""
        self._standings[band] = self.standing(band).after_audit(self.policy.rule, right=right)

    def evidence(self, nomination: Nomination, band: int) -> SimilarityEvidence:
        """What a receipt says about a hit."""
        standing = self.standing(band)
        return SimilarityEvidence(
            entry=nomination.entry.key,
            similarity=round(nomination.similarity, 4),
            bound=standing.bound(self.policy.rule),
            audits=standing.audits,
        )

    def _vetted(self, prompt: str, entry: Entry, similarity: float) -> Nomination:
        band, reason = self.policy.band(similarity), refusal(prompt, entry.prompt)
        if band is None:
            reason = f"less similar than {self.policy.floors[0]:g}"
        if (prompt, entry.key) in self._wrong:
            reason = "was judged wrong for this prompt"
        return Nomination(
            entry=entry, similarity=similarity, band=band if reason is None else None, refused_because=reason
        )


def first_candidate(nominations: tuple[Nomination, ...]) -> Nomination | None:
    """The most similar nominee that nothing speaks against."""
    return next((each for each in nominations if each.band is not None), None)
