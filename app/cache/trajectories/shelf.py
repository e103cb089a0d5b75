"""The trajectories that pictures may begin on, by namespace: found by similarity, bounded by bytes."""

from collections.abc import Collection
from dataclasses import dataclass

from app.cache.eviction import Entry, TenantShares
from app.cache.index import GrowingIndex, Nominee
from app.cache.index.contract import Vector
from app.cache.trajectories.rule import Losses, ResumeRule

NOMINEES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """Stored latents of one picture: by which key, whose, and what keeping them takes and making them took.

    Those of one `namespace` can continue each other: they are one tenant's, and differ in prompt and seed alone. The
    first `skipped_steps` were another picture's, and are not stored.
    """

    key: str
    namespace: str
    tenant: str
    byte_count: int
    gpu_ms: float
    skipped_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where to begin: after `step` steps of a trajectory whose prompt is as similar as that."""

    trajectory: Trajectory
    step: int
    similarity: float


class TrajectoryShelf:
    """Keeps at most `max_entries`, and `tenant_bytes` of each tenant; what saves least for its size gives way.

    `losses` is what was measured of the model when pictures began late; without it, all begin from noise.
    """

    def __init__(
        self,
        *,
        dimensions: int,
        rule: ResumeRule,
        losses: Losses,
        max_entries: int,
        tenant_bytes: int | None = None,
    ) -> None:
        self._dimensions = dimensions
        self._rule = rule
        self.losses = losses
        self._shares = TenantShares(max_entries=max_entries, tenant_bytes=tenant_bytes)
        self._indexes: dict[str, GrowingIndex] = {}
        self._kept: dict[str, Trajectory] = {}
        self._byte_count = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def byte_count(self) -> int:
        """What all trajectories take."""
        return self._byte_count

    def start(self, namespace: str, vector: Vector, *, steps: int, seen: Collection[str] = ()) -> Start | None:
        """The latest permitted beginning on one of the nearest trajectories but those `seen`; None: from noise."""
        index = self._indexes.get(namespace)
        nominees = [] if index is None else index.nearest(vector, NOMINEES + len(seen))
        starts = [
            Start(trajectory=self._kept[each.key], step=step, similarity=each.similarity)
            for each in nominees
            if each.key not in seen and (step := self._step_on(each, steps))
        ]
        best = max(starts, key=lambda start: (start.step, start.similarity), default=None)
        if best is not None:
            self._shares.touch(best.trajectory.key)
        return best

    def add(self, trajectory: Trajectory, vector: Vector) -> None:
        """Keep the trajectory, in place of one under its key."""
        self.discard(trajectory.key)
        self._kept[trajectory.key] = trajectory
        self._byte_count += trajectory.byte_count
        self._indexes.setdefault(trajectory.namespace, GrowingIndex(self._dimensions)).put(trajectory.key, vector)
        entry = Entry(
            key=trajectory.key, tenant=trajectory.tenant, byte_count=trajectory.byte_count, gpu_ms=trajectory.gpu_ms
        )
        for gone in self._shares.insert(entry):
            self._forget(gone)

    def discard(self, key: str) -> None:
        """Forget the trajectory; unknown keys are ignored."""
        if key in self._kept:
            self._shares.discard(key)
            self._forget(key)

    def _step_on(self, nominee: Nominee, steps: int) -> int:
        """After which step of the nominee's own way a picture may begin; zero: after none."""
        step = self._rule.first_step(nominee.similarity, steps, self.losses)
        return step if step > self._kept[nominee.key].skipped_steps else 0

    def _forget(self, key: str) -> None:
        gone = self._kept.pop(key)
        self._byte_count -= gone.byte_count
        index = self._indexes[gone.namespace]
        index.remove(key)
        if not len(index):
            del self._indexes[gone.namespace]
