"""Who has asked for what in which words: whoever repeats a prompt wants another picture."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request's words, and whose they are."""

    request_id: str
    caller: str
    prompt: str


class Repeats:
    """Remembers the questions to the keys asked last: `max_keys` keys, `max_questions` different ones each.

    `forget` is told of every key that is remembered no longer, so that no picture outlives the memory of who saw it.
    """

    def __init__(self, *, max_keys: int, forget: Callable[[str], None], max_questions: int = 1000) -> None:
        self._max_keys = max_keys
        self._forget = forget
        self._max_questions = max_questions
        self._asked: OrderedDict[str, dict[tuple[str, str], str]] = OrderedDict()

    def is_repeat(self, key: str, question: Question) -> bool:
        """Whether another request of this caller has asked the key in these words; remembers that this one did."""
        asked = self._asked.setdefault(key, {})
        self._asked.move_to_end(key)
        first = asked.setdefault((question.caller, question.prompt), question.request_id)
        if len(asked) > self._max_questions:
            del self._asked[key]
            self._forget(key)
        if len(self._asked) > self._max_keys:
            self._forget(self._asked.popitem(last=False)[0])
        return first != question.request_id
