"""Where a namespace stands, and what every verdict makes of it."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from app.cache.earned.bounds import audits_without_error, upper_bound
from app.cache.earned.detector import Suspicions, evidence, observed
from app.cache.earned.judging import JudgeErrors
from app.cache.earned.sequence import confidence_sequence

# The part of the allowed error probability that the first look leaves to later ones.
_KEPT: Final = 0.001
# Wrong hits, over the limit, that a namespace may serve unseen until its breaker opens, however far its rate rises.
_UNSEEN_ERRORS: Final = 60


class State(StrEnum):
    """Whether similar prompts are answered."""

    SHADOW = "shadow"
    EARNED = "earned"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarningRule:
    """What a namespace must show before it serves, and how it is watched.

    At most `max_false_hit_rate` of the hits may be wrong, 0 serves nothing; `alpha` is the probability with which a
    namespace whose rate is higher may ever earn the right to serve, however often it tries. The breaker of one whose
    rate is exactly the limit opens once in 1 / `false_opening` audits, or less often. At least `audit_share` of the
    hits are audited.
    """

    max_false_hit_rate: float
    alpha: float = 0.05
    false_opening: float = 0.001
    audit_share: float = 0.02
    judge: JudgeErrors = field(default_factory=JudgeErrors)

    @property
    def can_be_earned(self) -> bool:
        """Whether any number of right hits would do."""
        return 0 < self.max_false_hit_rate < 1 and self.judge.tells_something

    @property
    def observed_limit(self) -> float:
        """The share of audits that the judge may call wrong."""
        return self.judge.observed(self.max_false_hit_rate)

    def alpha_of(self, look: int) -> float:
        """The error probability that look number `look`, from 1, may spend; those of all looks sum up to `alpha`.

        The first passes only without an error, which spends a little less than it may; the rest is for later looks.
        """
        if look == 1:
            return self.alpha * (1 - _KEPT)
        first = (1 - self.observed_limit) ** audits_without_error(self.observed_limit, alpha=self.alpha_of(1))
        return (self.alpha - first) / (look * (look - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A namespace's record; a new one has none.

    `audits` and `errors` are those in shadow that it has to show now; `looks` counts how often such were weighed over
    its whole life, and `next_look` is the number of audits at which they will be. Since it earned the right to serve,
    `served_audits` and `served_errors` are its audits, `hits` is all that it answered, and `suspicions` what the
    breaker makes of them.
    """

    state: State = State.SHADOW
    audits: int = 0
    errors: int = 0
    looks: int = 0
    next_look: int = 0
    suspicions: Suspicions = ()
    served_audits: int = 0
    served_errors: int = 0
    hits: int = 0

    def serves(self, rule: EarningRule) -> bool:
        """Whether a similar prompt may be answered now; never while the rule allows no error at all."""
        return rule.can_be_earned and self.state is State.EARNED

    def wants_audit(self, rule: EarningRule, draw: float) -> bool:
        """Whether the judge shall see this hit before anybody else does; `draw` is uniform in [0, 1).

        In shadow all; then so many that, should every hit turn bad now, the breaker opens before the wrong ones among
        all since the namespace earned its right are more than the rule allows.
        """
        if not rule.can_be_earned:
            return False
        if self.state is State.SHADOW:
            return True
        needed = _UNSEEN_ERRORS / (rule.max_false_hit_rate * max(1, self.hits))
        return draw < max(rule.audit_share, needed)

    def after_hit(self) -> "Standing":
        """The standing once a hit was served that nobody audited."""
        return replace(self, hits=self.hits + 1)

    def after_audit(self, rule: EarningRule, *, right: bool) -> "Standing":
        """The standing once the judge has spoken about a hit; one that is not right must not be served."""
        if not rule.can_be_earned:
            return self
        if self.state is State.EARNED:
            return _watched(_served(self, right=right), rule, right=right)
        return _weighed(replace(self, audits=self.audits + 1, errors=self.errors + (not right)), rule)

    def bound(self, rule: EarningRule) -> float:
        """The highest rate of wrong hits that the audits in shadow allow for, and the judge's own mistakes."""
        return rule.judge.corrected(upper_bound(self.errors, self.audits, alpha=rule.alpha))

    def interval(self, rule: EarningRule) -> tuple[float, float]:
        """The rates of wrong hits that the audits since then leave possible, however often this is asked."""
        low, high = confidence_sequence(self.served_errors, self.served_audits, alpha=rule.alpha)
        return rule.judge.corrected(low), rule.judge.corrected(high)


def _weighed(standing: Standing, rule: EarningRule) -> Standing:
    """In shadow: looks only at numbers of audits that were planned, because every look spends error probability."""
    planned = standing.next_look or _first_possible(rule, standing.looks + 1)
    if standing.audits < planned:
        return replace(standing, next_look=planned)
    looks = standing.looks + 1
    if upper_bound(standing.errors, standing.audits, alpha=rule.alpha_of(looks)) <= rule.observed_limit:
        return replace(standing, state=State.EARNED, looks=looks)
    return replace(standing, looks=looks, next_look=max(2 * standing.audits, _first_possible(rule, looks + 1)))


def _first_possible(rule: EarningRule, look: int) -> int:
    return audits_without_error(rule.observed_limit, alpha=rule.alpha_of(look))


def _served(standing: Standing, *, right: bool) -> Standing:
    return replace(
        standing,
        hits=standing.hits + right,
        served_audits=standing.served_audits + 1,
        served_errors=standing.served_errors + (not right),
    )


def _watched(standing: Standing, rule: EarningRule, *, right: bool) -> Standing:
    """In service: opens the breaker on evidence that the limit is exceeded, which leaves nothing to show."""
    suspicions = observed(standing.suspicions, rule.observed_limit, wrong=not right)
    if evidence(suspicions) >= 1 / rule.false_opening:
        return Standing(looks=standing.looks)
    return replace(standing, suspicions=suspicions)
