"""Capitals that say nothing: those of a sentence, of a headline, of shouting. All others may be names, and stay."""

from collections.abc import Sequence
from typing import Final

from app.cache.canonical.lexicon import words
from app.cache.canonical.tags import tag_places
from app.cache.canonical.tokens import Kind, Token, Tokens

# Words that mean one thing as a name and another without the capital (capitonyms): peoples and places, months, brands,
# first names, heavenly bodies, acronyms. Their capitals are kept wherever they stand.
_CAPITONYMS: Final = words(
    """
    polish turkey china japan jordan chad guinea panama nice reading mobile bath cork scone amazon java jersey celtic
    march may august lent apple shell target gap dove tide ram mustang jaguar beetle puma lotus mini oracle adobe
    windows chrome safari opera python rust alphabet galaxy corona caterpillar subway sprite
    rose lily daisy violet iris ivy jasmine hazel heather amber ruby pearl jade crystal grace hope faith joy dawn summer
    mark bill will jack frank rich bob chase hunter mason cliff robin jay drake prince queen kiss cream eagles madonna
    oasis mercury mars titan pluto us it who aids
    """
)
_SMALL: Final = words(
    """
    a an the and or nor but of on in at by to for from with as off per via over under into onto upon near
    """
)
# Never names, whatever their capitals.
_TECHNICAL: Final = words("2d 3d 4d 4k 8k 16k hd uhd hdr dslr cgi")


def without_idle_capitals(tokens: Tokens) -> Tokens:
    """The tokens with those words in small letters whose capitals carry no meaning."""
    tagged = tag_places(tokens)
    prose = [place for place, token in enumerate(tokens) if token.kind is Kind.WORD and place not in tagged]
    spoken = [tokens[place].text for place in prose]
    idle = set(prose) if _is_uniform(spoken) else set()
    if prose and prose[0] == 0 and _is_capitalised(spoken[0]):
        idle.add(0)
    idle.update(place for place in prose if _opens_sentence(tokens, place) and tokens[place].lowered in _SMALL)
    idle.update(place for place in prose if tokens[place].lowered in _TECHNICAL)
    kept = {place for place in prose if tokens[place].lowered in _CAPITONYMS}
    return tuple(
        Token(Kind.WORD, token.lowered) if place in tagged or place in idle - kept else token
        for place, token in enumerate(tokens)
    )


def _opens_sentence(tokens: Tokens, place: int) -> bool:
    return place > 0 and tokens[place - 1].kind is Kind.STOP


def _is_uniform(words: Sequence[str]) -> bool:
    """Whether every word that could be a name has the same kind of capitals, and the first word has one."""
    cased = [word for word in words if word.lower() != word.upper() and not word[0].isdigit()]
    names = [word for word in cased if word.lower() not in _SMALL] or cased
    if not cased or cased[0] == cased[0].lower():
        return False
    return all(map(_is_shouted, names)) or all(map(_is_capitalised, names))


def _is_shouted(word: str) -> bool:
    return word == word.upper()


def _is_capitalised(word: str) -> bool:
    """A capital first and none inside a part of the word; parts are joined by hyphens."""
    first, *rest = word.split("-")
    return first != first.lower() and first[1:] == first[1:].lower() and all(map(_is_one_case, rest))


def _is_one_case(part: str) -> bool:
    return part[1:] == part[1:].lower()
