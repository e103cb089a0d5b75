"""The loop of a replay: when pictures are done, who waits for whom, and what is counted."""

import numpy as np
import pytest
from simulated_artist import COSTS, SimulatedArtist, ask_of

from app.simulation.replay import Answer, Beginning, DeviceCosts, Draw, Hit, Join, Made, replay
from app.simulation.replay.outcome import interval
from app.simulation.replay.policies import NoCache
from app.simulation.workload import Ask, Change


class Script:
    """Gives each request the answer that the test wrote for its number; knows what was learnt."""

    name = "script"
    byte_count = 7

    def __init__(
        self, answers: dict[int, Answer] | None = None, beginnings: dict[int, Beginning] | None = None
    ) -> None:
        self._answers = answers or {}
        self._beginnings = beginnings or {}
        self.known: list[list[int]] = []
        self.learnt: list[tuple[int, Made]] = []

    async def ask(self, ask: Ask) -> Answer:
        """As written; drawn where nothing is."""
        return self._answers.get(ask.number, Draw())

    async def begin(self, ask: Ask) -> Beginning | None:
        """As written; at noise where nothing is."""
        self.known.append([number for number, _ in self.learnt])
        return self._beginnings.get(ask.number)

    async def learn(self, ask: Ask, made: Made) -> None:
        """Noted."""
        self.learnt.append((ask.number, made))


async def test_pictures_are_drawn_one_after_the_other() -> None:
    """A request waits for all that came before it, and its latency says so; the device's seconds add up."""
    outcome = await replay(
        [ask_of(0, 0.0), ask_of(1, 1.0), ask_of(2, 100.0)], NoCache(), artist=SimulatedArtist(), costs=COSTS
    )
    assert [each.latency_s for each in outcome.served] == [12.0, 23.0, 12.0]
    assert outcome.device_s == 36.0
    assert outcome.levels == {"drawn": 3}


async def test_where_a_picture_begins_is_decided_when_the_device_is_free() -> None:
    """So that it can begin on what was done while it waited."""
    policy = Script()
    await replay([ask_of(0, 0.0), ask_of(1, 0.0), ask_of(2, 12.0)], policy, artist=SimulatedArtist(), costs=COSTS)
    assert policy.known == [[], [0], [0, 1]]
    assert [number for number, _ in policy.learnt] == [0, 1, 2]


async def test_a_hit_costs_a_look_up_and_a_wrong_one_is_counted() -> None:
    """By key or by similarity; the judge compares the stored picture with the new prompt."""
    artist = SimulatedArtist()
    stored = artist.draw("a red circle", 1)
    answers: dict[int, Answer] = {0: Hit(drawing=stored, level="exact"), 1: Hit(drawing=stored, level="similar")}
    asks = [ask_of(0, 0.0, "a red circle"), ask_of(1, 0.0, "a blue circle")]
    outcome = await replay(asks, Script(answers), artist=artist, costs=COSTS)
    assert [(each.level, each.latency_s, each.right) for each in outcome.served] == [
        ("exact", 0.25, True),
        ("similar", 0.5, False),
    ]
    assert outcome.device_s == 0


async def test_whoever_joins_waits_for_the_rest_only() -> None:
    """The picture under way answers both, and is drawn once."""
    answers: dict[int, Answer] = {1: Join(number=0)}
    outcome = await replay([ask_of(0, 0.0), ask_of(1, 5.0)], Script(answers), artist=SimulatedArtist(), costs=COSTS)
    assert [each.latency_s for each in outcome.served] == [12.0, 7.0]
    assert outcome.device_s == 12.0


async def test_a_late_beginning_spares_its_steps() -> None:
    """Ten steps of a second: from the fourth on it takes four seconds less, and the look-up comes first."""
    artist = SimulatedArtist()
    donor = artist.draw("a red circle", 1)
    answers: dict[int, Answer] = {0: Draw(waits_for_lookup=True)}
    beginnings = {
        0: Beginning(drawing=donor.key, step=4),
        1: Beginning(drawing=donor.key, step=4, renoised=True),
    }
    policy = Script(answers, beginnings)
    outcome = await replay([ask_of(0, 0.0), ask_of(1, 100.0)], policy, artist=artist, costs=COSTS)
    assert [each.latency_s for each in outcome.served] == [8.5, 9.0]
    assert outcome.levels == {"resumed": 2}
    assert not outcome.hits
    assert [made.device_s for _, made in policy.learnt] == [8.0, 9.0]


async def test_the_same_again_is_counted_for_those_who_wanted_another() -> None:
    """A re-roll that gets a picture which its caller has, and nobody else's."""
    artist = SimulatedArtist()
    stored = artist.draw("a red circle", 1)
    answers: dict[int, Answer] = {number: Hit(drawing=stored, level="exact") for number in range(3)}
    asks = [
        ask_of(0, 0.0, caller="me"),
        ask_of(1, 1.0, caller="me", change=Change.REROLL),
        ask_of(2, 2.0, caller="you", change=Change.REROLL),
    ]
    outcome = await replay(asks, Script(answers), artist=artist, costs=COSTS)
    assert outcome.same_again == 1


async def test_the_most_that_was_kept_is_remembered() -> None:
    """As the policy says it after each picture."""
    outcome = await replay([ask_of(0, 0.0)], Script(), artist=SimulatedArtist(), costs=COSTS)
    assert outcome.most_bytes == 7


def test_the_interval_is_clopper_and_pearsons() -> None:
    """0 of 299 leaves 1.2 % possible, two-sided; nothing counted leaves everything; the ends are the ends."""
    assert interval(0, 299) == pytest.approx((0.0, 0.01226), abs=1e-5)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(5, 5)[1] == 1.0
    low, high = interval(3, 100)
    assert low < 0.03 < high


def test_a_slower_device_leaves_the_host_as_it_is() -> None:
    """Pictures take longer, look-ups do not."""
    slow = COSTS.slowed(3.0)
    assert slow.picture_s() == pytest.approx(3 * COSTS.picture_s())
    assert (slow.exact_s, slow.similar_s) == (COSTS.exact_s, COSTS.similar_s)
    assert isinstance(slow, DeviceCosts)
    assert np.isfinite(slow.picture_s())
