"""Similarity that is earned: nobody gets a similar prompt's picture before audits have shown how rarely that is wrong.

A namespace begins in shadow, where would-be hits are judged and none is served. Enough right ones earn it the right to
serve; from then on a random share is judged before it is served, and a breaker sends the namespace back into shadow
when the audits say that the limit is exceeded. Everything here is a function of values; randomness and judges come from
outside.
"""

from app.cache.earned.judging import Judge, JudgeErrors
from app.cache.earned.standing import EarningRule, Standing, State

__all__ = ["EarningRule", "Judge", "JudgeErrors", "Standing", "State"]
