"""Rules that only ever refuse a nominee."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache.similar import refusal

VOCABULARY = ("red", "blue", "cat", "dog", "house", "tree", "sits", "under", "beside", "small")
WORDS = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("asked", "stored", "reason"),
    [
        ("a red circle and a blue square", "a blue circle and a red square", "another order"),
        ("a dog bites a man", "a man bites a dog", "another order"),
        ("two dogs on a beach", "3 dogs on a beach", "different numbers"),
        ("a shop with a sign 'open'", "a shop with a sign 'closed'", "quote different texts"),
        ("a street with cars", "a street without cars", "what is not there"),
        ("a street with cars", "a street that has no cars", "what is not there"),
        ("(a cat:1.3) on a mat", "a cat on a mat", "compared as it stands"),
    ],
)
def test_what_embeddings_overlook_is_refused(asked: str, stored: str, reason: str) -> None:
    """Order, numbers, lettering, negation and syntax keep two prompts apart, however near they lie."""
    assert reason in str(refusal(asked, stored))
    assert refusal(stored, asked) is not None


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("a red circle next to a blue square", "a red circle beside a blue square"),
        ("an old man feeds the pigeons", "an elderly man feeds the pigeons"),
        ("a cat on a mat", "Please draw a cat on a mat!"),
    ],
)
def test_other_words_in_the_same_order_pass(asked: str, stored: str) -> None:
    """They are candidates: whether they are right is for the judge to say."""
    assert refusal(asked, stored) is None


@given(WORDS)
def test_a_prompt_is_never_refused_to_itself(words: list[str]) -> None:
    """Whatever it says."""
    assert refusal(" ".join(words), " ".join(words)) is None


@given(WORDS, st.randoms())
def test_moved_words_are_refused(words: list[str], random: Random) -> None:
    """The same words in another order are never candidates."""
    moved = list(words)
    random.shuffle(moved)
    assert (refusal(" ".join(words), " ".join(moved)) is None) == (moved == words)
