"""Bands of similarity, and what each may do."""

import pytest
from similar_fakes import EASY, NEVER

from app.cache.earned import EarningRule, Standing, State
from app.cache.similar import Action, SimilarityPolicy
from app.cache.similar.building import policies
from app.config import SimilaritySettings

POLICY = SimilarityPolicy(floors=(0.8, 0.9), rule=EASY)


@pytest.mark.parametrize(("similarity", "band"), [(0.79, None), (0.8, 0), (0.899, 0), (0.9, 1), (1.0, 1), (-1.0, None)])
def test_a_band_begins_at_its_floor(similarity: float, band: int | None) -> None:
    """Nothing below the first floor has a band."""
    assert POLICY.band(similarity) == band


@pytest.mark.parametrize(
    ("rule", "state", "draw", "action"),
    [
        (NEVER, State.EARNED, 0.0, Action.REFUSE),
        (EASY, State.SHADOW, 0.99, Action.SHADOW),
        (EASY, State.EARNED, 0.99, Action.SERVE),
        (EASY, State.EARNED, 0.01, Action.AUDIT),
    ],
)
def test_what_a_band_may_do(rule: EarningRule, state: State, draw: float, action: Action) -> None:
    """A rule that allows no error serves nobody; in shadow nobody is served; of the rest a share is audited first."""
    standing = Standing(state=state, hits=1_000_000)

    assert SimilarityPolicy(floors=(0.8,), rule=rule).action(standing, draw) is action


def test_each_tenant_has_its_rate() -> None:
    """The bands share the error probability among them, so that the promise holds for all together."""
    settings = SimilaritySettings.model_validate(
        {
            "max_false_hit_rate": 0.01,
            "floors": [0.9, 0.95],
            "tenants": {"bob": {"max_false_hit_rate": 0.05, "confidence": 0.9}},
        }
    )
    policy = policies(settings)

    assert policy("ann").rule.max_false_hit_rate == 0.01
    assert policy("ann").rule.alpha == pytest.approx(0.025)
    assert policy("bob").rule.max_false_hit_rate == 0.05
    assert policy("bob").rule.alpha == pytest.approx(0.05)
