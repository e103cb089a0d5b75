"""From settings to what similarity has to earn."""

from collections.abc import Callable
from functools import cache

from app.cache.earned import EarningRule, JudgeErrors
from app.cache.similar.policy import SimilarityPolicy
from app.config import SimilaritySettings


def policies(settings: SimilaritySettings) -> Callable[[str], SimilarityPolicy]:
    """The policy of each tenant; its error probability is divided among the bands."""
    errors = JudgeErrors(misses=settings.judge_misses, false_alarms=settings.judge_false_alarms)

    @cache
    def policy(tenant: str) -> SimilarityPolicy:
        earning = settings.of(tenant)
        rule = EarningRule(
            max_false_hit_rate=earning.max_false_hit_rate,
            alpha=(1 - earning.confidence) / len(settings.floors),
            audit_share=earning.audit_share,
            judge=errors,
        )
        return SimilarityPolicy(floors=settings.floors, rule=rule)

    return policy
