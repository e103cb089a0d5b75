"""Darkroom's cache, made of the classes that run in production, without their files and processes."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from app.cache.canonical import canonical_form
from app.cache.exact import ExactCache
from app.cache.lookup import CachePlan, CachePlanner
from app.cache.similar import Action, Namespace, Shard, SimilarityPolicy
from app.cache.similar.question import question_of
from app.cache.similar.shard import Entry, first_candidate
from app.cache.trajectories import Start, Trajectory, TrajectoryShelf
from app.cache_levels import CacheLimit
from app.generation import GenerationRequest, ImageFormat, Job, Picture, PictureSpec, Receipt, Task
from app.simulation.replay.contract import Answer, Artist, Beginning, Draw, Drawing, Hit, Join, Made
from app.simulation.workload import Ask

SIDE = 64
REVISION = "replayed"


class _Files:
    """Pictures whose files are always there."""

    async def exists(self, key: str) -> bool:
        return True


@dataclass(slots=True)
class Audits:
    """What the judge said about similar pictures, in shadow and in service."""

    shadow: Counter[bool] = field(default_factory=Counter)
    served: Counter[bool] = field(default_factory=Counter)


class Ours:
    """Answers as far as `limit`, serves what is similar only where a band has earned it, and begins pictures late.

    Without `similarity` nothing similar is served, without `shelf` all pictures begin from noise. `draw` is uniform in
    [0, 1) and decides which hits are audited.
    """

    def __init__(
        self,
        name: str,
        *,
        artist: Artist,
        limit: CacheLimit,
        max_entries: int,
        similarity: SimilarityPolicy | None = None,
        shelf: TrajectoryShelf | None = None,
        draw: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.name = name
        self.audits = Audits()
        self._artist = artist
        self._limit = limit
        self._similarity = similarity
        self._shelf = shelf
        self._draw = draw
        self._pictures = ExactCache(blobs=_Files(), max_entries=max_entries)
        self._planner = CachePlanner(cache=self._pictures, revision=lambda variant: REVISION, limit=limit)
        self._shards: dict[Namespace, Shard] = {}
        self._drawings: dict[str, Drawing] = {}
        self._picture_bytes = 0
        self._plans: dict[int, tuple[PictureSpec, CachePlan]] = {}
        self._under_way: dict[str, int] = {}
        self._asked: set[tuple[str, str]] = set()
        self._seen: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def byte_count(self) -> int:
        """Pictures, latents and the vectors of similar prompts."""
        latents = 0 if self._shelf is None else self._shelf.byte_count
        return self._picture_bytes + latents + sum(shard.memory_bytes for shard in self._shards.values())

    async def ask(self, ask: Ask) -> Answer:
        """From the nearest level that may answer; the rest is drawn."""
        request = _request(ask, self._limit, self._artist.steps)
        plan = self._planner.plan(request, _job(request))
        for key, level in plan.readable:
            picture = await self._pictures.get(key)
            if picture is not None:
                return self._shown(ask, Hit(drawing=self._drawings[picture.blob_key], level=level.value))
        if plan.shared_as in self._under_way:
            return Join(number=self._under_way[plan.shared_as])
        similar = self._similar(ask, plan)
        if similar is not None:
            return self._shown(ask, Hit(drawing=similar, level="similar"))
        self._plans[ask.number] = (request.spec, plan)
        self._under_way[plan.shared_as] = ask.number
        return Draw(waits_for_lookup=self._shelf is not None and ask.seed is None)

    async def begin(self, ask: Ask) -> Beginning | None:
        """Further on where no seed is named; who wants another picture does not begin on one that was seen."""
        words = (ask.caller, canonical_form(ask.prompt).text)
        seen = self._seen[ask.caller] if words in self._asked else ()
        self._asked.add(words)
        start = self._start(ask, self._plans[ask.number][0], seen) if ask.seed is None else None
        if start is None:
            return None
        self._seen[ask.caller].add(start.trajectory.key)
        return Beginning(drawing=start.trajectory.key, step=start.step)

    async def learn(self, ask: Ask, made: Made) -> None:
        """Remember the picture at every level that may answer with it."""
        spec, plan = self._plans.pop(ask.number)
        self._under_way.pop(plan.shared_as, None)
        self._seen[ask.caller].add(made.drawing.key)
        if made.beginning is not None and not self._artist.shows(made.drawing.key, ask.prompt):
            return
        picture = _picture(made)
        # Its seed alone would have led to another picture than one that began late.
        written = plan.written if made.beginning is None else plan.written[1:]
        if written and picture.blob_key not in self._drawings:
            self._drawings[picture.blob_key] = made.drawing
            self._picture_bytes += picture.byte_count
        for key in written:
            self._pictures.put(key, picture, tenant=ask.tenant)
        if plan.question is not None and self._artist.shows(made.drawing.key, ask.prompt):
            entry = Entry(key=made.drawing.key, prompt=ask.prompt, picture=picture)
            self._shard(plan.question.namespace).add(entry, self._artist.vector(ask.prompt))
        if self._shelf is not None:
            self._shelf.add(_trajectory(ask, made, spec), self._artist.vector(ask.prompt))

    def _shown(self, ask: Ask, hit: Hit) -> Hit:
        self._seen[ask.caller].add(hit.drawing.key)
        return hit

    def _similar(self, ask: Ask, plan: CachePlan) -> Drawing | None:
        if plan.question is None:
            return None
        shard = self._shard(plan.question.namespace)
        nomination = first_candidate(shard.nominate(ask.prompt, self._artist.vector(ask.prompt)))
        if nomination is None or nomination.band is None:
            return None
        found, action = nomination.entry.key, shard.action(nomination, self._draw())
        if action is Action.SERVE:
            shard.record_hit(nomination.band)
            return self._drawings[found]
        if action is Action.REFUSE:
            return None
        right = self._artist.shows(found, ask.prompt)
        (self.audits.shadow if action is Action.SHADOW else self.audits.served)[right] += 1
        shard.record_audit(nomination.band, right=right)
        if not right:
            shard.refuse(ask.prompt, found)
        return self._drawings[found] if right and action is Action.AUDIT else None

    def _start(self, ask: Ask, spec: PictureSpec, seen: set[str] | tuple[()]) -> Start | None:
        if self._shelf is None:
            return None
        namespace = question_of(spec, tenant=ask.tenant, revision=REVISION).namespace.name
        return self._shelf.start(namespace, self._artist.vector(ask.prompt), steps=self._artist.steps, seen=seen)

    def _shard(self, namespace: Namespace) -> Shard:
        if self._similarity is None:
            raise LookupError("similar prompts are not answered")
        if namespace not in self._shards:
            self._shards[namespace] = Shard(dimensions=self._artist.dimensions, policy=self._similarity)
        return self._shards[namespace]


def _request(ask: Ask, limit: CacheLimit, steps: int) -> GenerationRequest:
    spec = PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="replayed", prompt=ask.prompt, width=SIDE, height=SIDE, native_width=SIDE,
        native_height=SIDE, steps=steps, seed=ask.drawn_seed,
    )  # fmt: skip
    return GenerationRequest(
        request_id=str(ask.number), tenant=ask.tenant, endpoint="replay", spec=spec, seed_is_free=ask.seed is None,
        cache=limit, caller=ask.caller,
    )  # fmt: skip


def _job(request: GenerationRequest) -> Job:
    return Job(job_id=f"{request.request_id}.0", spec=request.spec, arrival_s=0.0, deadline_s=0.0)


def _picture(made: Made) -> Picture:
    return Picture(
        blob_key=made.drawing.key, width=SIDE, height=SIDE, image_format=ImageFormat.PNG,
        byte_count=made.drawing.byte_count,
        receipt=Receipt(variant="replayed", steps=0, gpu_ms=1000 * made.device_s),
    )  # fmt: skip


def _trajectory(ask: Ask, made: Made, spec: PictureSpec) -> Trajectory:
    return Trajectory(
        key=made.drawing.key,
        namespace=question_of(spec, tenant=ask.tenant, revision=REVISION).namespace.name,
        tenant=ask.tenant,
        byte_count=made.drawing.latent_bytes,
        gpu_ms=1000 * made.device_s,
        skipped_steps=0 if made.beginning is None else made.beginning.step,
    )
