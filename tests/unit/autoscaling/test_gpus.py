"""Who gets the next GPU."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_values import make_decision, make_profile

from app.autoscaling.gpus import Claim, share_out, within_gpus

claims = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(
        lambda least, more, weight: Claim(wanted=least + more, least=least, weight=weight),
        st.integers(0, 2), st.integers(1, 5), st.floats(0.1, 10),
    ),
    min_size=1,
)  # fmt: skip


def unserved(given_: dict[str, int], asked: dict[str, Claim]) -> float:
    """The weighted sum of squares of the shares of demand that nobody serves."""
    return sum(claim.weight * (1 - given_[name] / claim.wanted) ** 2 for name, claim in asked.items())


def test_enough_for_all() -> None:
    """Everybody gets what is wanted when there is enough."""
    assert share_out({"a": Claim(wanted=3), "b": Claim(wanted=5)}, 8) == {"a": 3, "b": 5}


def test_shortage_is_shared() -> None:
    """Equal claims share a shortage equally, instead of one starving the other."""
    assert share_out({"a": Claim(wanted=6), "b": Claim(wanted=6)}, 6) == {"a": 3, "b": 3}


def test_weight_counts() -> None:
    """The heavier claim gets more of a shortage."""
    given_ = share_out({"a": Claim(wanted=6, weight=3), "b": Claim(wanted=6)}, 6)

    assert given_["a"] > given_["b"] > 0


def test_large_replicas_make_room_for_small_ones() -> None:
    """A replica that does not fit any more leaves what is left to those that do."""
    assert share_out({"a": Claim(wanted=2, gpus_each=4, weight=9), "b": Claim(wanted=4)}, 6) == {"a": 1, "b": 2}


def test_the_least_is_given_first() -> None:
    """What must be had is given even where it exceeds what there is."""
    assert share_out({"a": Claim(wanted=5, least=3), "b": Claim(wanted=5)}, 2) == {"a": 3, "b": 0}


@given(claims, st.integers(0, 20))
def test_limits_hold(asked: dict[str, Claim], gpus: int) -> None:
    """Nobody gets more than wanted or less than needed, and no GPU is given twice."""
    given_ = share_out(asked, gpus)
    least = sum(claim.least for claim in asked.values())

    assert all(claim.least <= given_[name] <= claim.wanted for name, claim in asked.items())
    assert sum(given_.values()) <= max(gpus, least)


@given(claims, st.integers(0, 12))
def test_no_other_sharing_serves_more(asked: dict[str, Claim], gpus: int) -> None:
    """For replicas of equal size the greedy order is the best of all."""
    given_ = share_out(asked, gpus)
    ranges = [range(claim.least, claim.wanted + 1) for claim in asked.values()]
    most = max(gpus, sum(claim.least for claim in asked.values()))
    others = [dict(zip(asked, counts, strict=True)) for counts in product(*ranges) if sum(counts) <= most]

    assert unserved(given_, asked) == pytest.approx(min(unserved(other, asked) for other in others))


def test_who_is_cut_short_says_so() -> None:
    """A decision that gets fewer replicas than it wants has a ceiling with the reason; any other is as it was."""
    decisions = {"sdxl": make_decision(replicas=6), "flux": make_decision(deployment="flux", replicas=2)}
    profiles = {"sdxl": make_profile(weight=0.5), "flux": make_profile(name="flux")}
    shared = within_gpus(decisions, profiles, gpus=5)

    assert shared["flux"] is decisions["flux"]
    assert shared["sdxl"].replicas == 3
    assert shared["sdxl"].line().endswith("| gpus cap 3 (5 shared, 6 replicas wanted) → 3")
