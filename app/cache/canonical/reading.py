"""From a prompt to tokens, or to the reason why it is not plain prose."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from app.cache.canonical.tokens import Kind, Token, Tokens

# Letters in another typeface or width; other compatibility forms (superscripts, fractions, circled digits) say more.
_HARMLESS_FORMS: Final = ("<wide>", "<narrow>", "<font>", "<compat>", "<initial>", "<medial>", "<final>", "<isolated>")
_ONE_SIGN: Final = str.maketrans({"，": ",", "．": ".", "！": "!", "？": "?", "…": "...", "\u2010": "-", "\u2011": "-"})
_MARKS: Final = '"“”„‟«»‘’‚‛'
_LETTER: Final = rf"[^\s,.!?，．！？…\-–—―\u2010\u2011'{_MARKS}]"
_WORD: Final = rf"{_LETTER}+(?:(?:['’.\-–\u2010\u2011]|(?<=\d),(?=\d)){_LETTER}+)*"
_AFTER: Final = r"(?=[\s,.!?，．！？…]|$)"
_TOKEN: Final = re.compile(
    rf"""(?P<space>\s+)
    | (?<![^\s,，])(?:"(?P<straight>[^"]+)" | “(?P<curly>[^”]+)” | „(?P<low>[^“”]+)[“”] | «(?P<angled>[^»]+)»
      | '(?P<single>\S|\S.*?\S)'(?!\w) | ‘(?P<turned>\S|\S.*?\S)’(?!\w)){_AFTER}
    | (?P<comma>[,，])
    | (?P<stop>[.!?．！？…]+)(?=[\s,，]|$)
    | (?P<dash>[—―] | (?<!\S)[-–](?!\S))
    | (?P<word>{_WORD})""",
    re.VERBOSE | re.DOTALL,
)
_QUOTES: Final = ("straight", "curly", "low", "angled", "single", "turned")


@dataclass(frozen=True, slots=True)
class Raw:
    """A prompt that must be compared as it stands, and why."""

    reason: str


def read(prompt: str) -> Tokens | Raw:
    """The tokens of plain prose; Raw as soon as any sign is not a letter, digit, mark of prose or paired quote."""
    tokens: list[Token] = []
    position = 0
    while position < len(prompt):
        found = _TOKEN.match(prompt, position)
        token = Raw(f"{prompt[position]!r} may be syntax") if found is None else _token(found)
        if isinstance(token, Raw):
            return token
        if token is not None:
            tokens.append(token)
        position = found.end() if found is not None else len(prompt)
    return tuple(tokens)


def _token(found: re.Match[str]) -> Token | Raw | None:
    name = found.lastgroup or ""
    text = found[name]
    if name == "space":
        return None
    if name in _QUOTES:
        return _quote(text)
    if name == "word":
        return _word(text)
    return Token(Kind[name.upper()], "-" if name == "dash" else text.translate(_ONE_SIGN))


def _quote(text: str) -> Token | Raw:
    """Quoted text, unless a mark inside leaves open where it ends."""
    if any(mark in text for mark in '"“”„‟«»‘‚‛') or re.search(r"(?<!\w)['’]|['’](?!\w)", text):
        return Raw("quotation marks inside quotation marks")
    return Token(Kind.QUOTE, text)


def _word(text: str) -> Token | Raw:
    for letter in text:
        form = unicodedata.decomposition(letter)
        if form.startswith("<") and not form.startswith(_HARMLESS_FORMS):
            return Raw(f"{letter!r} may mean more than its letters")
    folded = unicodedata.normalize("NFKC", text.replace("’", "'").replace("–", "-").translate(_ONE_SIGN))
    strange = [letter for letter in folded if letter not in "'-.," and unicodedata.category(letter)[0] not in "LM"]
    strange = [letter for letter in strange if unicodedata.category(letter) != "Nd"]
    return Raw(f"{strange[0]!r} may be syntax") if strange else Token(Kind.WORD, folded)
