"""Why a nominated prompt is no candidate, whatever its similarity.

These rules only ever refuse. They look at what embeddings are known to be blind to and what needs no knowledge of the
words: their order, numbers, quoted text, negations, and anything that may be syntax. What passes is no equal of the
prompt: that is for the judge to say, and for the namespace to earn.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from app.cache.canonical import canonical_form
from app.cache.canonical.lexicon import words

_NEGATIONS: Final = words("no not without never none nor neither nobody nothing except")
_WORD: Final = re.compile(r'"[^"]*"|[^\s,.!?]+')
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")


def refusal(asked: str, stored: str) -> str | None:
    """What keeps the picture of the stored prompt from answering the one that is asked; None when nothing does."""
    forms = canonical_form(asked), canonical_form(stored)
    if forms[0] == forms[1]:
        return None
    for form in forms:
        if form.raw_because is not None:
            return f"one is compared as it stands: {form.raw_because}"
    one, other = (_words(form.text) for form in forms)
    return _literal_difference(one, other) or _order_difference(one, other)


def _words(text: str) -> list[str]:
    return [word if word.startswith('"') else word.lower() for word in _WORD.findall(text)]


def _literal_difference(one: Sequence[str], other: Sequence[str]) -> str | None:
    if _quoted(one) != _quoted(other):
        return "they quote different texts"
    if _numbers(one) != _numbers(other):
        return "they have different numbers"
    if _negations(one) != _negations(other):
        return "one says what is not there"
    return None


def _quoted(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.startswith('"')]


def _numbers(words: Sequence[str]) -> list[str]:
    return [number for word in words if not word.startswith('"') for number in _NUMBER.findall(word)]


def _negations(words: Sequence[str]) -> int:
    return sum(word in _NEGATIONS or word.endswith("n't") for word in words)


def _order_difference(one: Sequence[str], other: Sequence[str]) -> str | None:
    shared = Counter(one) & Counter(other)
    orders = [_kept(words, shared) for words in (one, other)]
    return None if orders[0] == orders[1] else "the words that they share stand in another order"


def _kept(words: Sequence[str], shared: Counter[str]) -> list[str]:
    """The words that both have, as often as both have them, in their order; articles bind nothing by themselves."""
    left, kept = shared.copy(), []
    for word in words:
        if left[word] > 0 and word not in ("a", "the"):
            left[word] -= 1
            kept.append(word)
    return kept
