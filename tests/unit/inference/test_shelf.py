"""Weights on a shelf: within the budget, the one used longest ago gives way, nobody loses what is in use."""

from dataclasses import dataclass

import pytest
from fakes import FakeClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.errors import ConfigurationError, OverloadedError
from app.inference.shelf import Footprint, ModelShelf, joint_bytes
from app.telemetry.events import Event, VariantEvicted, VariantLoaded

ENCODERS = {"encoders": 30}
FOOTPRINTS = {
    "sketch": Footprint(20, ENCODERS),
    "sketch-int8": Footprint(10, ENCODERS),
    "poster": Footprint(50),
    "photo": Footprint(40, {"other encoders": 20}),
    "mural": Footprint(500),
}


@dataclass(frozen=True)
class FakeModel:
    """A model that only has a size."""

    name: str
    footprint: Footprint


class Shop:
    """A shelf with what it did: the names that it loaded, how often memory was given back, and its events."""

    def __init__(self, budget_bytes: int | None = 100, *, pinned: tuple[str, ...] = (), estimates=FOOTPRINTS) -> None:
        self.loaded: list[str] = []
        self.given_back = 0
        self.events: list[Event] = []
        self.clock = FakeClock()
        self.shelf: ModelShelf[FakeModel] = ModelShelf(
            load=self._load, weigh=estimates.__getitem__, budget_bytes=budget_bytes, pinned=pinned,
            give_back=self._give_back, replica="r1", observer=self.events.append, clock=self.clock,
        )  # fmt: skip

    def _load(self, name: str) -> FakeModel:
        self.loaded.append(name)
        return FakeModel(name, FOOTPRINTS[name])

    def _give_back(self) -> None:
        self.given_back += 1


def test_a_model_is_loaded_by_its_first_use_and_stays() -> None:
    """The second call finds what the first has loaded."""
    shop = Shop()
    assert shop.shelf.get("sketch") is shop.shelf.get("sketch")
    assert (shop.loaded, shop.shelf.resident_bytes) == (["sketch"], 50)


def test_the_one_used_longest_ago_gives_way() -> None:
    """Use counts, not age: a model that was used again outlives a younger one."""
    shop = Shop()
    for name in ("sketch", "poster", "sketch", "sketch-int8", "photo"):
        shop.shelf.get(name)
    assert shop.shelf.resident == ("sketch-int8", "photo")
    assert shop.given_back == 2


def test_what_two_models_share_counts_once() -> None:
    """The encoders of two variants of one source are paid for by neither alone."""
    shop = Shop(budget_bytes=60)
    shop.shelf.get("sketch")
    shop.shelf.get("sketch-int8")
    assert shop.shelf.resident_bytes == joint_bytes([FOOTPRINTS["sketch"], FOOTPRINTS["sketch-int8"]]) == 60


def test_what_is_in_use_stays() -> None:
    """A model held twice gives way only after it was let go twice; meanwhile there is no room, and that is said."""
    shop = Shop()
    shop.shelf.hold("photo")
    with shop.shelf.use("photo"), pytest.raises(OverloadedError, match="no room for poster"):
        shop.shelf.get("poster")
    assert not shop.shelf.has_room_for("poster")
    shop.shelf.let_go("photo")
    assert shop.shelf.has_room_for("poster")
    shop.shelf.get("poster")
    assert shop.shelf.resident == ("poster",)


def test_nothing_is_evicted_in_vain() -> None:
    """Where what is in use leaves no room anyway, what is idle stays."""
    shop = Shop()
    shop.shelf.hold("photo")
    shop.shelf.get("sketch-int8")
    with pytest.raises(OverloadedError):
        shop.shelf.get("poster")
    assert set(shop.shelf.resident) == {"photo", "sketch-int8"}


def test_what_is_pinned_stays() -> None:
    """A pinned model outlives all that were used after it."""
    shop = Shop(pinned=("sketch",))
    for name in ("sketch", "poster", "sketch-int8"):
        shop.shelf.get(name)
    assert shop.shelf.resident == ("sketch", "sketch-int8")


def test_what_never_fits_is_refused_before_it_is_loaded() -> None:
    """A model larger than the budget, or than what the pinned ones leave of it, is refused in words."""
    shop = Shop(pinned=("photo",))
    with pytest.raises(ConfigurationError, match=r"mural needs 500 bytes .* never fits into memory_bytes: 100"):
        shop.shelf.get("mural")
    shop.shelf.get("photo")
    with pytest.raises(ConfigurationError, match="never fits beside the pinned photo"):
        shop.shelf.has_room_for("poster")
    assert shop.loaded == ["photo"]


def test_a_model_that_turns_out_larger_makes_more_room() -> None:
    """What a model really takes counts, not what its files foretold; too large, it is not kept."""
    shop = Shop(estimates=FOOTPRINTS | {"poster": Footprint(1), "mural": Footprint(1)})
    shop.shelf.get("photo")
    shop.shelf.get("poster")
    assert shop.shelf.resident == ("poster",)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="mural needs 500 bytes"):
            shop.shelf.get("mural")
    assert shop.loaded == ["photo", "poster", "mural"]
    assert "mural" not in shop.shelf.resident


def test_without_a_budget_everything_stays() -> None:
    """No budget, no eviction."""
    shop = Shop(budget_bytes=None)
    for name in FOOTPRINTS:
        shop.shelf.get(name)
    assert set(shop.shelf.resident) == set(FOOTPRINTS)


def test_nothing_is_let_go_that_was_not_held() -> None:
    """One end too many is a mistake of the caller."""
    shop = Shop()
    with pytest.raises(RuntimeError, match="more often"):
        shop.shelf.let_go("sketch")
    with shop.shelf.use("sketch"):
        pass
    with pytest.raises(RuntimeError, match="more often"):
        shop.shelf.let_go("sketch")


async def test_loading_and_evicting_are_events() -> None:
    """Each says what stayed; an eviction also what it freed and how long nobody had asked."""
    shop = Shop()
    shop.shelf.get("sketch")
    await shop.clock.advance(7)
    shop.shelf.get("photo")
    assert shop.events == [
        VariantLoaded(variant="sketch", replica="r1", load_s=0, resident_bytes=50),
        VariantEvicted(variant="sketch", replica="r1", idle_s=7, freed_bytes=50, resident_bytes=0),
        VariantLoaded(variant="photo", replica="r1", load_s=0, resident_bytes=60),
    ]


NAMES = st.sampled_from(["sketch", "sketch-int8", "poster", "photo"])


class AnyHistory(RuleBasedStateMachine):
    """Asks, holds and lets go in any order, and knows what must be true of a shelf after each."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shop(budget_bytes=120, pinned=("sketch-int8",)).shelf
        self.order: list[str] = []
        self.held: list[str] = []

    @rule(name=NAMES, holds=st.booleans())
    def ask(self, name: str, holds: bool) -> None:
        """The model comes, and those that go for it are the ones idle for longest, no more than needed."""
        idle = [other for other in self.order if other not in self.held and other != "sketch-int8"]
        if not self.shelf.has_room_for(name):
            with pytest.raises(OverloadedError):
                self.shelf.get(name)
            return
        assert (self.shelf.hold if holds else self.shelf.get)(name).name == name
        gone = [other for other in self.order if other not in self.shelf.resident]
        assert gone == idle[: len(gone)]
        if gone:
            kept = [other for other in self.order if other not in gone[:-1]]
            assert joint_bytes(FOOTPRINTS[other] for other in {*kept, name}) > 120
        self.order = [other for other in self.order if other not in (*gone, name)] + [name]
        self.held += [name] * holds

    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        """One hold ends, which counts as use."""
        if self.held:
            name = data.draw(st.sampled_from(self.held))
            self.shelf.let_go(name)
            self.held.remove(name)
            self.order = [other for other in self.order if other != name] + [name]

    @invariant()
    def the_shelf_is_as_expected(self) -> None:
        """The order is that of use, nothing held or pinned has gone, and the budget is kept."""
        assert list(self.shelf.resident) == self.order
        assert set(self.held) <= set(self.shelf.resident)
        assert self.shelf.resident_bytes == joint_bytes(FOOTPRINTS[name] for name in self.order) <= 120


AnyHistory.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestAnyHistory = AnyHistory.TestCase
