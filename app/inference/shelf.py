"""Models in memory within a budget of bytes: loaded when somebody asks, the one used longest ago gives way."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from app.errors import ConfigurationError, OverloadedError
from app.telemetry.events import Observer, VariantEvicted, VariantLoaded, ignore

_RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of a model's weights: those that are its own, and by part those that other models may use as well."""

    own_bytes: int
    shared: Mapping[Hashable, int] = field(default_factory=dict)


def joint_bytes(footprints: Iterable[Footprint]) -> int:
    """What models take together: a part that several of them use counts once."""
    own_bytes, shared = 0, dict[Hashable, int]()
    for footprint in footprints:
        own_bytes += footprint.own_bytes
        shared |= footprint.shared
    return own_bytes + sum(shared.values())


class Shelved(Protocol):
    """What the shelf asks of a model."""

    @property
    def footprint(self) -> Footprint:
        """Bytes of its weights."""
        ...


Model = TypeVar("Model", bound=Shelved)


@dataclass(slots=True)
class _Entry(Generic[Model]):
    model: Model
    used_s: float
    uses: int = 0


class ModelShelf(Generic[Model]):
    """Models by name, for the thread that owns their device.

    `load` brings a model into memory, `weigh` foretells its footprint; `budget_bytes` None keeps
    everything. What is in use or `pinned` stays. `give_back` returns freed memory to the device
    after an eviction; the shelf itself keeps nothing of an evicted model.
    """

    def __init__(
        self,
        *,
        load: Callable[[str], Model],
        weigh: Callable[[str], Footprint],
        budget_bytes: int | None = None,
        pinned: Collection[str] = (),
        give_back: Callable[[], object] = lambda: None,
        replica: str = "",
        observer: Observer = ignore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._load = load
        self._weigh = weigh
        self._budget_bytes = budget_bytes
        self._pinned = frozenset(pinned)
        self._give_back = give_back
        self._replica = replica
        self._observer = observer
        self._clock = clock
        self._entries: OrderedDict[str, _Entry[Model]] = OrderedDict()
        self._footprints: dict[str, Footprint] = {}

    @property
    def resident(self) -> tuple[str, ...]:
        """The models in memory, the one used longest ago first."""
        return tuple(self._entries)

    @property
    def resident_bytes(self) -> int:
        """Bytes of weights in memory."""
        return joint_bytes(entry.model.footprint for entry in self._entries.values())

    def has_room_for(self, name: str) -> bool:
        """Whether `get` would succeed now: the model is there, or what is idle could give way to it.

        Raises ConfigurationError when it can never fit.
        """
        if name in self._entries:
            return True
        footprint = self._footprint(name)
        self._require_fitting(name, footprint)
        return self._fits(footprint, beside=self._staying())

    def get(self, name: str) -> Model:
        """The model, loaded where necessary; it may be evicted by the next call unless it is in use.

        Raises OverloadedError while models in use leave no room, ConfigurationError when it can never fit.
        """
        if name not in self._entries:
            self._take_in(name)
        return self._touched(name).model

    def hold(self, name: str) -> Model:
        """Like `get`, and the model stays until `let_go` has been called as often as this."""
        model = self.get(name)
        self._entries[name].uses += 1
        return model

    def let_go(self, name: str) -> None:
        """End one `hold`; raises RuntimeError when there is none."""
        if name not in self._entries or not self._entries[name].uses:
            raise RuntimeError(f"{name} is let go more often than it was held")
        self._touched(name).uses -= 1

    @contextmanager
    def use(self, name: str) -> Iterator[Model]:
        """The model, held until the context is left."""
        model = self.hold(name)
        try:
            yield model
        finally:
            self.let_go(name)

    def _touched(self, name: str) -> _Entry[Model]:
        self._entries.move_to_end(name)
        entry = self._entries[name]
        entry.used_s = self._clock()
        return entry

    def _take_in(self, name: str) -> None:
        self._make_room(name, self._footprint(name))
        started_s = self._clock()
        model = self._load(name)
        loaded_s = self._clock()
        self._footprints[name] = model.footprint
        self._make_room(name, model.footprint)
        self._entries[name] = _Entry(model, used_s=loaded_s)
        self._observer(
            VariantLoaded(
                variant=name, replica=self._replica, load_s=loaded_s - started_s, resident_bytes=self.resident_bytes
            )
        )

    def _footprint(self, name: str) -> Footprint:
        """What the model took when it was here last, else what is foretold."""
        if name not in self._footprints:
            self._footprints[name] = self._weigh(name)
        return self._footprints[name]

    def _make_room(self, name: str, footprint: Footprint) -> None:
        self._require_fitting(name, footprint)
        if not self._fits(footprint, beside=self._staying()):
            raise OverloadedError(f"the models in use leave no room for {name}", _RETRY_AFTER_S)
        evicted = 0
        while not self._fits(footprint, beside=self._entries):
            staying = self._staying()
            self._evict(next(resident for resident in self._entries if resident not in staying))
            evicted += 1
        if evicted:
            self._give_back()

    def _require_fitting(self, name: str, footprint: Footprint) -> None:
        pinned = [other for other in self._pinned & self._entries.keys() if other != name]
        if not self._fits(footprint, beside=pinned):
            company = f" beside the pinned {', '.join(sorted(pinned))}" if pinned else ""
            raise ConfigurationError(
                f"{name} needs {joint_bytes([footprint]):,} bytes for its weights and never fits{company} "
                f"into memory_bytes: {self._budget_bytes:,}; raise it, or give the variant another host"
            )

    def _fits(self, footprint: Footprint, *, beside: Iterable[str]) -> bool:
        others = (self._entries[name].model.footprint for name in beside)
        return self._budget_bytes is None or joint_bytes([footprint, *others]) <= self._budget_bytes

    def _staying(self) -> set[str]:
        """The models in memory that cannot give way now."""
        return {name for name, entry in self._entries.items() if entry.uses or name in self._pinned}

    def _evict(self, name: str) -> None:
        before, entry = self.resident_bytes, self._entries.pop(name)
        self._observer(
            VariantEvicted(
                variant=name,
                replica=self._replica,
                idle_s=self._clock() - entry.used_s,
                freed_bytes=before - self.resident_bytes,
                resident_bytes=self.resident_bytes,
            )
        )
