"""Prompts that ask for lettering without quoting it: there every sign and capital may be drawn."""

from typing import Final

from app.cache.canonical.lexicon import words
from app.cache.canonical.tokens import Kind, Token, Tokens, segments

_INTRODUCES: Final = words(
    """
    say says saying said spell spells spelling spelled spelt read reads caption captions captioned title titled subtitle
    headline label labels labeled labelled lettering letter letters inscription inscribed engraved word words written
    text texts slogan motto tagline typography named called number numbers numbered quote message plaque placard banner
    """
)
_REACH: Final = 3


def lettering_reason(tokens: Tokens) -> str | None:
    """Why the prompt may contain unquoted lettering, or None when nothing introduces any."""
    for segment in segments(tokens):
        for place, token in enumerate(segment):
            if token.lowered in _INTRODUCES and _is_unquoted(segment[place + 1 :]):
                return f"{token.text!r} may introduce lettering, which is not quoted"
    return None


def _is_unquoted(rest: tuple[Token, ...]) -> bool:
    return bool(rest) and all(token.kind is not Kind.QUOTE for token in rest[:_REACH])
