"""When to stop asking something that does not answer, and when to try again."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """Opens after `failures` in a row; the first pause is `pause_s`, each next one twice as long, up to the longest."""

    failures: int = 3
    pause_s: float = 1.0
    longest_pause_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The state of one breaker; times are seconds of any clock that only moves on.

    While `opens_again_s` is None it is closed and everybody may ask. Open, nobody may until that time; then one may,
    and its outcome decides for all.
    """

    failures: int = 0
    pauses: int = 0
    opens_again_s: float | None = None
    is_probing: bool = False

    def may_ask(self, now_s: float) -> bool:
        """Whether a call may be made now."""
        return self.opens_again_s is None or now_s >= self.opens_again_s

    def after_asking(self, rule: BreakerRule, now_s: float) -> "Breaker":
        """The state while a call that was allowed is under way: an open breaker lets no second one through."""
        if self.opens_again_s is None:
            return self
        return replace(self, is_probing=True, opens_again_s=now_s + self._pause_s(rule))

    def after_success(self) -> "Breaker":
        """The state once a call was answered in time."""
        return Breaker()

    def after_failure(self, rule: BreakerRule, now_s: float) -> "Breaker":
        """The state once a call failed, or was not answered in time."""
        if self.opens_again_s is None and self.failures + 1 < rule.failures:
            return replace(self, failures=self.failures + 1)
        if self.opens_again_s is not None and not self.is_probing:
            return self
        return Breaker(pauses=self.pauses + 1, opens_again_s=now_s + self._pause_s(rule))

    def _pause_s(self, rule: BreakerRule) -> float:
        return min(rule.longest_pause_s, rule.pause_s * 2.0 ** min(self.pauses, 30))
