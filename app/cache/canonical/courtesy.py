"""What is said to the server and not about the picture, at the beginning and at the end of a prompt."""

import re
from typing import Final

from app.cache.canonical.lexicon import words
from app.cache.canonical.tokens import Kind, Tokens, trimmed

# Each pattern is matched on lower-cased tokens joined by single spaces; what follows must stay for the rest to count.
_POLITE: Final = r"(?:please|kindly)"
_MEDIUM: Final = r"(?:an?|the|some)? ?(?:images?|pictures?) (?:of|showing|depicting) "
_NOUN_PHRASE: Final = (
    r"(?=(?:an?|the|some|my|our|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|several|many|\d+) )"
)
_DEPICTION: Final = (
    r"(?=(?:[\w-]+ )?(?:photo|photograph|portrait|painting|drawing|sketch|render|illustration|art|watercolou?r"
    r"|close-up) of )"
)
_SUBJECT: Final = rf"(?:{_MEDIUM}|{_NOUN_PHRASE}|{_DEPICTION})"
_VERB: Final = r"(?:generate|create|make|produce|draw|show|give)"
_PLAIN_VERB: Final = r"(?:generate|create|draw)"
_ASKED: Final = rf"(?:(?:can|could|would|will) you (?:{_POLITE} )?|{_POLITE} (?:, )?)"
_WISHED: Final = (
    r"(?:(?:i would|i'd) (?:like|love)|i want|i need|(?:can|could|may) i (?:have|get|see)|let me see)"
    r"(?: to (?:see|have|get))?"
)
_GREETED: Final = r"(?:(?:hi|hello|hey|good (?:morning|afternoon|evening))(?: there)? [,!.]+ )"
_FRONT: Final = re.compile(
    rf"{_GREETED}?(?:(?:{_ASKED})?{_VERB} (?:me|us) {_SUBJECT}"
    rf"|{_ASKED}{_VERB} {_SUBJECT}"
    rf"|{_ASKED}{_PLAIN_VERB} (?!me |us )"
    rf"|{_VERB} {_MEDIUM}"
    rf"|(?:generate|create) {_NOUN_PHRASE}"
    rf"|{_WISHED} {_SUBJECT})"
)
_BACK: Final = re.compile(
    rf"(?:(?<! to) {_POLITE}|[,.!?]+ (?:(?:many )?thanks|thank you)(?: (?:so|very) much| a lot| in advance)?)$"
)

_LONGEST: Final = 24  # tokens of courtesy at one end, more than any pattern has
# Where thanks may be what is written on the thing.
_LETTERED: Final = words(
    """
    card cards sign signs poster posters banner banners note notes letter letters sticker stickers billboard billboards
    shirt t-shirt mug mugs neon logo invitation postcard doormat balloon balloons cake label tag typography calligraphy
    """
)


def without_courtesy(tokens: Tokens) -> Tokens:
    """The tokens without requests and thanks at their ends; courtesy alone stays, because nothing else was said."""
    is_lettered = any(token.lowered in _LETTERED for token in tokens)
    while (shorter := _without_front(tokens)) != tokens:
        tokens = shorter
    while not is_lettered and (shorter := _without_back(tokens)) != tokens:
        tokens = shorter
    return tokens


def _without_front(tokens: Tokens) -> Tokens:
    found = _FRONT.match(_spoken(tokens[:_LONGEST]))
    return _or_all(tokens[found.group().count(" ") :], tokens) if found else tokens


def _without_back(tokens: Tokens) -> Tokens:
    found = _BACK.search(_spoken(tokens[-_LONGEST:]))
    return _or_all(tokens[: -_words_in(found.group())], tokens) if found else tokens


def _words_in(phrase: str) -> int:
    return len(phrase.split())


def _or_all(rest: Tokens, everything: Tokens) -> Tokens:
    rest = trimmed(rest)
    return rest if any(token.is_content for token in rest) else everything


def _spoken(tokens: Tokens) -> str:
    """The tokens as one line of lower-case text, one word for each; a quote is a mark that no pattern knows."""
    return " ".join('"' if token.kind is Kind.QUOTE else token.text.lower() for token in tokens)
