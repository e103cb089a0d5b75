"""Which keys may answer a job, and under which its picture is remembered."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from app.cache.canonical import Question, Repeats, canonical_key
from app.cache.exact import ExactCache, exact_key
from app.cache.origin import Origin
from app.cache.similar.question import SimilarQuestion, question_of
from app.cache_levels import CacheLevel, CacheLimit
from app.generation import GenerationRequest, Job


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePlan:
    """The keys to read, in this order, the keys to write, and the name under which the work can be joined.

    `origin` is what the picture is made for; `question` may be asked of similar prompts while it is made.
    """

    readable: tuple[tuple[str, CacheLevel], ...] = ()
    written: tuple[str, ...] = ()
    shared_as: str
    origin: Origin = field(default_factory=Origin)
    question: SimilarQuestion | None = None


class CachePlanner:
    """Plans the look-up of every job, no further than `limit` and than the request wants."""

    def __init__(self, *, cache: ExactCache, revision: Callable[[str], str], limit: CacheLimit) -> None:
        self._revision = revision
        self._limit = limit
        self._repeats = Repeats(max_keys=cache.max_entries, forget=cache.discard)

    def plan(self, request: GenerationRequest, job: Job) -> CachePlan:
        """The plan for one picture of the request.

        Other wordings answer only a request for one picture whose caller named no seed, and never a caller's repeat
        of its own words, who wants another picture; that one then takes the place of the earlier.
        """
        limit = request.cache.within(self._limit)
        if limit is CacheLimit.OFF:
            return CachePlan(shared_as=job.job_id)
        revision = self._revision(job.spec.variant)
        exact = exact_key(job.spec, tenant=request.tenant, revision=revision)
        origin = Origin(tenant=request.tenant, revision=revision, prompt=job.spec.prompt)
        alone = CachePlan(readable=((exact, CacheLevel.EXACT),), written=(exact,), shared_as=exact, origin=origin)
        if limit is CacheLimit.EXACT or not request.seed_is_free or request.num_images > 1:
            return alone
        words = canonical_key(job.spec, tenant=request.tenant, revision=revision)
        question = Question(request_id=request.request_id, caller=request.caller, prompt=job.spec.prompt)
        if self._repeats.is_repeat(words, question):
            return replace(alone, written=(exact, words))
        return replace(
            alone,
            readable=(*alone.readable, (words, CacheLevel.CANONICAL)),
            written=(exact, words),
            shared_as=words,
            question=question_of(job.spec, tenant=request.tenant, revision=revision)
            if limit is CacheLimit.SIMILAR and not request.ephemeral
            else None,
        )
