"""Near misses differ from a demand, each in its own respect alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.builtin.contrast import contrasts
from app.builtin.demand import Demand
from app.builtin.grammar import parse, phrase, sample_demand


@given(st.integers(0, 2**32))
def test_every_contrast_is_a_demand_of_the_grammar(seed: int) -> None:
    """A contrast differs from the demand, and its wordings parse back to it."""
    rng = np.random.default_rng(seed)
    demand = sample_demand(rng)

    for other in contrasts(demand, rng).values():
        assert other != demand
        assert parse(phrase(other, rng)) == other


@given(st.integers(0, 2**32))
def test_each_contrast_alters_its_own_respect(seed: int) -> None:
    """What a contrast is not named after stays as it was."""
    rng = np.random.default_rng(seed)
    demand = sample_demand(rng)

    for respect, other in contrasts(demand, rng).items():
        assert (other.background != demand.background) == (respect == "background")
        assert (other.relation != demand.relation) == (respect == "relation")
        assert (other.cell != demand.cell) == (respect == "cell")
        assert (other.count != demand.count) == (respect == "count")
        assert (colours(other) != colours(demand)) == (respect == "colour")
        assert (shapes(other) != shapes(demand)) == (respect == "shape")


def colours(demand: Demand) -> list[str]:
    """The demand's colours, in no order."""
    return sorted(thing.colour for thing in demand.things)


def shapes(demand: Demand) -> list[str]:
    """The demand's shapes, in no order."""
    return sorted(thing.shape for thing in demand.things)
