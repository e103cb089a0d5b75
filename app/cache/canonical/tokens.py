"""The parts that plain prose is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a token is; a quote is atomic and keeps its text to the byte."""

    WORD = "word"
    QUOTE = "quote"
    COMMA = "comma"
    STOP = "stop"
    DASH = "dash"


@dataclass(frozen=True, slots=True)
class Token:
    """One word, quoted text or punctuation mark; a quote's text is without its marks."""

    kind: Kind
    text: str

    @property
    def is_content(self) -> bool:
        """Whether it says something, as punctuation does not."""
        return self.kind in (Kind.WORD, Kind.QUOTE)

    @property
    def lowered(self) -> str:
        """A word without its capitals; empty for anything else, so that no quoted text is taken for a word."""
        return self.text.lower() if self.kind is Kind.WORD else ""


Tokens = tuple[Token, ...]


def written(tokens: Sequence[Token]) -> str:
    """The text of the tokens, which reads as the same tokens again."""
    text = ""
    before: Token | None = None
    for token in tokens:
        attached = token.kind in (Kind.COMMA, Kind.STOP) and before is not None and before.kind is not Kind.DASH
        text += ("" if attached or before is None else " ") + _signed(token)
        before = token
    return text


def _signed(token: Token) -> str:
    return f'"{token.text}"' if token.kind is Kind.QUOTE else token.text


def segments(tokens: Tokens) -> list[Tokens]:
    """What stands between the commas, in order."""
    found: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind is Kind.COMMA:
            found.append([])
        else:
            found[-1].append(token)
    return [tuple(segment) for segment in found]


def joined(parts: Sequence[Tokens]) -> Tokens:
    """The segments with commas between them."""
    tokens: list[Token] = []
    for part in parts:
        tokens.extend([Token(Kind.COMMA, ","), *part] if tokens else part)
    return tuple(tokens)


def trimmed(tokens: Tokens) -> Tokens:
    """Without punctuation at the ends, and with one comma where several follow each other."""
    kept: list[Token] = []
    for token in tokens:
        repeats = token.kind is Kind.COMMA and (not kept or kept[-1].kind is Kind.COMMA)
        if not repeats:
            kept.append(token)
    while kept and kept[-1].kind in (Kind.COMMA, Kind.STOP):
        kept.pop()
    return tuple(kept)
