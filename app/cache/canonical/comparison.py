"""Why two prompts are, or are not, the same request to the cache."""

from collections.abc import Iterator
from difflib import SequenceMatcher

from app.cache.canonical.form import canonical_form


def differences(one: str, other: str) -> tuple[str, ...]:
    """What keeps the prompts apart, a sentence each; empty when one picture may answer both."""
    forms = canonical_form(one), canonical_form(other)
    if forms[0] == forms[1]:
        return ()
    raw = [f"one is compared as it stands: {form.raw_because}" for form in forms if form.raw_because is not None]
    return (*dict.fromkeys(raw), *_word_by_word(forms[0].text.split(), forms[1].text.split()))


def _word_by_word(one: list[str], other: list[str]) -> Iterator[str]:
    for operation, start, stop, other_start, other_stop in SequenceMatcher(
        a=one, b=other, autojunk=False
    ).get_opcodes():
        before, after = " ".join(one[start:stop]), " ".join(other[other_start:other_stop])
        if operation == "replace":
            yield f"{before!r} is not {after!r}"
        elif operation == "delete":
            yield f"{before!r} is only in the first"
        elif operation == "insert":
            yield f"{after!r} is only in the second"
