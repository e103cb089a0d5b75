"""What the rest of Darkroom asks of pictures of similar prompts, wherever they are kept."""

from dataclasses import dataclass
from typing import Protocol

from app.cache.similar.policy import Action
from app.cache.similar.question import Namespace, SimilarQuestion
from app.cache.takedown import Takedown
from app.cache_levels import SimilarityEvidence
from app.generation import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A picture that may answer, and why; `band` has to be told when it does."""

    picture: Picture
    band: int
    was_audited: bool
    evidence: SimilarityEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """An entry that was nominated for a prompt, and what would become of it; a reason stands where that is nothing."""

    namespace: str
    entry: str
    prompt: str
    similarity: float
    action: Action
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandRecord:
    """What a band of similarity from `floor` on has shown; `bound` is the share of wrong hits that this allows for."""

    floor: float
    state: str
    audits: int
    errors: int
    bound: float
    hits: int
    served_audits: int
    served_errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceRecord:
    """What one namespace holds and has shown; `is_ready` is false while it is read from the shared store."""

    namespace: Namespace
    entries: int
    memory_bytes: int
    is_ready: bool
    bands: tuple[BandRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BandAudit:
    """What would-be hits among the stored prompts of a namespace were worth, in a band of similarity from `floor` on.

    `bound` is the share of wrong ones that this allows for. It earns nothing: only requests do.
    """

    namespace: str
    floor: float
    judged: int
    wrong: int
    bound: float


class SimilarPictures(Protocol):
    """Finds, remembers and forgets pictures of similar prompts."""

    async def find(self, question: SimilarQuestion) -> Found | None:
        """A picture that may answer now; None most of the time, and whenever anything is in doubt."""
        ...

    async def taken(self, question: SimilarQuestion, found: Found) -> None:
        """The picture that was found has answered the question."""
        ...

    async def add(self, question: SimilarQuestion, picture: Picture) -> None:
        """Remember the picture that was made for the question, if it shows what the question asks for."""
        ...

    async def explain(self, prompt: str, *, tenant: str) -> tuple[Considered, ...]:
        """Who would be nominated for the prompt in the tenant's namespaces in memory; changes nothing."""
        ...

    async def audit(self, most: int) -> tuple[BandAudit, ...]:
        """Judge would-be hits among stored prompts, so many in each namespace at most; changes nothing."""
        ...

    async def purge(self, takedown: Takedown) -> frozenset[str]:
        """Forget the entries that are meant; returns the keys of their files."""
        ...

    async def stats(self) -> tuple[NamespaceRecord, ...]:
        """What every namespace in memory holds and has shown."""
        ...
