"""Similarity that is earned: what it takes, what it keeps, and what ends it."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache.earned import EarningRule, JudgeErrors, Standing, State
from app.cache.earned.bounds import audits_without_error, upper_bound
from app.cache.earned.detector import evidence, observed
from app.cache.earned.sequence import confidence_sequence

RULE = EarningRule(max_false_hit_rate=0.01)
EARNED = Standing(state=State.EARNED, looks=1, audits=299)


def after(standing: Standing, verdicts: list[bool], rule: EarningRule = RULE) -> Standing:
    """The standing after these verdicts, one after the other."""
    for right in verdicts:
        standing = standing.after_audit(rule, right=right)
    return standing


@pytest.mark.parametrize(("limit", "audits"), [(0.01, 299), (0.05, 59)])
def test_so_many_right_hits_earn_the_right_to_serve(limit: float, audits: int) -> None:
    """Without an error, as many audits as bring the Clopper-Pearson bound at 95 % down to the limit."""
    rule = EarningRule(max_false_hit_rate=limit)
    almost = after(Standing(), [True] * (audits - 1), rule)

    assert not almost.serves(rule)
    assert after(almost, [True], rule).serves(rule)
    assert after(almost, [True], rule).bound(rule) <= limit < almost.bound(rule)


def test_an_error_makes_it_dearer() -> None:
    """With one error in the first 299, more than a thousand audits are needed, because looking again has its price."""
    standing = after(Standing(), [False] + [True] * 298)
    needed = 299
    while not standing.serves(RULE):
        standing, needed = after(standing, [True]), needed + 1

    assert 1000 < needed < 2000


@pytest.mark.parametrize("rule", [EarningRule(max_false_hit_rate=0), replace(RULE, judge=JudgeErrors(misses=1.0))])
def test_what_can_never_be_earned(rule: EarningRule) -> None:
    """A limit of 0, or a judge that tells nothing, means never: nothing is served, and nothing is audited in vain."""
    standing = after(Standing(), [True] * 1000, rule)

    assert standing == Standing()
    assert not replace(standing, state=State.EARNED).serves(rule)
    assert not standing.wants_audit(rule, 0.0)


@given(st.floats(0.001, 0.3), st.floats(0.01, 0.2))
def test_all_looks_together_spend_what_is_allowed(limit: float, alpha: float) -> None:
    """The error probabilities of all looks that there can ever be sum up to alpha at most."""
    rule = EarningRule(max_false_hit_rate=limit, alpha=alpha)
    first = (1 - limit) ** audits_without_error(limit, alpha=rule.alpha_of(1))
    later = math.fsum(rule.alpha_of(look) for look in range(2, 2000))

    assert all(rule.alpha_of(look) > 0 for look in range(1, 100))
    assert first + later <= alpha


def test_few_bad_namespaces_ever_earn_it() -> None:
    """Of 400 namespaces with twice the errors allowed, hardly any ever serves."""
    chance = random.Random(1)
    rule = EarningRule(max_false_hit_rate=0.05)
    earned = 0
    for _ in range(400):
        standing = Standing()
        for _ in range(1000):
            standing = standing.after_audit(rule, right=chance.random() >= 0.1)
            if standing.serves(rule):
                earned += 1
                break

    assert earned <= 0.05 * 400


def test_a_failure_opens_the_breaker() -> None:
    """A run of errors sends the namespace back into shadow, where it has nothing to show any more."""
    broken = after(EARNED, [False] * 3)

    assert broken == Standing(looks=1)
    assert not broken.serves(RULE)


def test_a_long_good_record_excuses_nothing() -> None:
    """Ten thousand right hits do not delay the breaker by one audit."""
    proven = after(EARNED, [True] * 10_000)

    for errors in range(1, 4):
        assert after(proven, [False] * errors).serves(RULE) == after(EARNED, [False] * errors).serves(RULE)


def test_an_error_now_and_then_is_what_was_allowed() -> None:
    """One wrong hit in two hundred does not open the breaker of a namespace that may have two."""
    assert after(EARNED, ([True] * 199 + [False]) * 20).serves(RULE)


def test_who_failed_has_more_to_show() -> None:
    """After a failure more right audits are needed than the first time."""
    broken = after(EARNED, [False] * 3)

    assert not after(broken, [True] * 299).serves(RULE)
    assert after(broken, [True] * 1000).serves(RULE)


def test_a_judge_that_misses_errors_must_see_more() -> None:
    """When a fifth of the wrong pictures pass the judge, the same limit needs a quarter more audits."""
    rule = replace(RULE, judge=JudgeErrors(misses=0.2))

    assert not after(Standing(), [True] * 370, rule).serves(rule)
    assert after(Standing(), [True] * 375, rule).serves(rule)


def test_a_judge_with_false_alarms_is_believed_less() -> None:
    """Where right pictures are known to be called wrong, as many complaints say less."""
    rule = replace(RULE, judge=JudgeErrors(false_alarms=0.02))
    complaints = ([True] * 32 + [False]) * 30

    assert not after(EARNED, complaints).serves(RULE)
    assert after(EARNED, complaints, rule).serves(rule)


@given(st.floats(0, 1), st.floats(0, 0.4), st.floats(0, 0.4))
def test_the_judges_mistakes_can_be_undone(rate: float, misses: float, false_alarms: float) -> None:
    """From the share that the judge sees follows the rate that there is."""
    judge = JudgeErrors(misses=misses, false_alarms=false_alarms)

    assert judge.corrected(judge.observed(rate)) == pytest.approx(rate, abs=1e-9)


def test_in_shadow_every_would_be_hit_is_judged() -> None:
    """Nothing is served, and everything counts."""
    assert Standing().wants_audit(RULE, 0.999)


@pytest.mark.parametrize(("hits", "share"), [(0, 1.0), (6000, 1.0), (60_000, 0.1), (1_000_000, 0.02)])
def test_fewer_are_judged_as_hits_grow(hits: int, share: float) -> None:
    """As many as find a failure before it could outweigh the right hits so far, and never less than the least share."""
    standing = replace(EARNED, hits=hits)

    assert standing.wants_audit(RULE, share - 1e-9)
    assert share == 1.0 or not standing.wants_audit(RULE, share)


def test_what_was_judged_wrong_was_not_served() -> None:
    """Right audits and unaudited hits count as served."""
    standing = after(EARNED.after_hit(), [True, False])

    assert (standing.hits, standing.served_audits, standing.served_errors) == (2, 2, 1)
    assert standing.interval(RULE)[0] < 0.5 < standing.interval(RULE)[1]


@given(st.integers(0, 50), st.integers(0, 500))
def test_the_bound_is_where_so_few_errors_become_improbable(errors: int, right: int) -> None:
    """At the bound, so few errors or fewer have exactly the probability alpha."""
    audits = errors + right
    bound = upper_bound(errors, audits, alpha=0.05)
    if right == 0:
        assert bound == 1.0
        return
    tail = math.fsum(math.comb(audits, k) * bound**k * (1 - bound) ** (audits - k) for k in range(errors + 1))

    assert tail == pytest.approx(0.05, rel=1e-6)


@given(st.integers(0, 30), st.integers(0, 300))
def test_the_sequence_contains_what_was_seen(errors: int, right: int) -> None:
    """The interval holds the share of errors, is never narrower than no interval, and is wider than a single look's."""
    low, high = confidence_sequence(errors, errors + right, alpha=0.05)

    assert 0 <= low <= high <= 1
    if errors + right:
        assert low <= errors / (errors + right) <= high
        assert high >= upper_bound(errors, errors + right, alpha=0.05) - 1e-9


def test_the_sequence_holds_at_every_look() -> None:
    """In 400 runs watched after every audit, the true rate leaves the interval in at most 5 % of them."""
    chance = random.Random(2)
    left = 0
    for _ in range(400):
        errors = 0
        for audits in range(1, 100):
            errors += chance.random() < 0.1
            low, high = confidence_sequence(errors, audits, alpha=0.05)
            if not low <= 0.1 <= high:
                left += 1
                break

    assert left <= 0.05 * 400


@given(st.floats(0.001, 0.4), st.lists(st.booleans(), max_size=30))
def test_evidence_is_a_fair_game(limit: float, verdicts: list[bool]) -> None:
    """At a rate of exactly the limit, one more audit is expected to leave the evidence as it is.

    Only starting anew adds to it, which is what the length of a run until a false opening is counted in.
    """
    suspicions: tuple[float, ...] = ()
    for wrong in verdicts:
        suspicions = observed(suspicions, limit, wrong=wrong)
    worse, better = (evidence(observed(suspicions, limit, wrong=wrong)) for wrong in (True, False))
    started = [max(0.0, suspicion) for suspicion in suspicions]

    assert limit * worse + (1 - limit) * better == pytest.approx(evidence(tuple(started)), rel=1e-6)


def test_a_namespace_at_its_limit_is_seldom_sent_away() -> None:
    """The breaker of one whose rate is exactly the limit stays closed for a thousand audits in the mean, or more."""
    chance = random.Random(3)
    rule = EarningRule(max_false_hit_rate=0.1)
    audits = 0
    for _ in range(20):
        standing = replace(EARNED)
        while standing.serves(rule):
            standing, audits = standing.after_audit(rule, right=chance.random() >= 0.1), audits + 1

    assert audits / 20 >= 1000
