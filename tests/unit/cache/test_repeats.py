"""Whoever repeats a prompt wants another picture."""

from app.cache.canonical import Question, Repeats


def question(request_id: str, caller: str = "ann", prompt: str = "a dot") -> Question:
    """A question of one caller in some words."""
    return Question(request_id=request_id, caller=caller, prompt=prompt)


def test_a_repeat_is_the_same_words_from_the_same_caller() -> None:
    """Another caller, other words or another key are no repeat; nor is a request that tries again."""
    repeats = Repeats(max_keys=10, forget=lambda key: None)
    asked = [
        repeats.is_repeat("k", question("1")),
        repeats.is_repeat("k", question("1")),
        repeats.is_repeat("k", question("2")),
        repeats.is_repeat("k", question("3", caller="bob")),
        repeats.is_repeat("k", question("4", prompt="A dot.")),
        repeats.is_repeat("l", question("5")),
        repeats.is_repeat("k", question("6")),
    ]

    assert asked == [False, False, True, False, False, False, True]


def test_the_key_asked_longest_ago_is_forgotten() -> None:
    """Beyond `max_keys` the oldest goes, and whoever keeps pictures under it is told."""
    forgotten: list[str] = []
    repeats = Repeats(max_keys=2, forget=forgotten.append)
    for key in ("a", "b", "a", "c"):
        repeats.is_repeat(key, question("1"))

    assert forgotten == ["b"]
    assert repeats.is_repeat("a", question("2"))
    assert not repeats.is_repeat("b", question("2"))


def test_a_key_with_too_many_questions_starts_anew() -> None:
    """Who has seen its picture is no longer known, so that the picture is given up."""
    forgotten: list[str] = []
    repeats = Repeats(max_keys=2, forget=forgotten.append, max_questions=2)
    for caller in ("ann", "bob", "cy"):
        repeats.is_repeat("k", question(caller, caller=caller))

    assert forgotten == ["k"]
    assert not repeats.is_repeat("k", question("4"))


def test_nothing_is_remembered_where_nothing_is_kept() -> None:
    """With no room for keys no request is a repeat."""
    repeats = Repeats(max_keys=0, forget=lambda key: None)

    assert [repeats.is_repeat("k", question(number)) for number in "123"] == [False, False, False]
