"""Prompts that divide the picture into places: what stands beside a place's name belongs to it."""

from typing import Final

from app.cache.canonical.lexicon import words
from app.cache.canonical.tokens import Tokens, segments

_PARTS: Final = words(
    """
    panel panels pane panes foreground midground middleground quadrant quadrants diptych triptych polyptych collage
    montage storyboard comic comics manga strip grid grids tile tiles row rows column columns split splitscreen
    half halves third thirds quarter quarters frame frames layer layers page pages inset insets
    """
)
_SIDES: Final = words(
    "left right top bottom upper lower middle center centre leftmost rightmost topmost bottommost corner"
)
_HANDS: Final = words("left-hand right-hand upper-left upper-right lower-left lower-right")
_BEFORE_A_PLACE: Final = frozenset(("", "the"))


def layout_reason(tokens: Tokens) -> str | None:
    """Why the prompt may say what goes where in the picture, or None when no word does."""
    for segment in segments(tokens):
        words = [token.lowered for token in segment]
        for word, before, after in zip(words, ["", *words], [*words[1:], ""], strict=False):
            if _places(word, before, after):
                return f"{word!r} may lay out the picture"
    return None


def _places(word: str, before: str, after: str) -> bool:
    """Whether the word names a part of the picture; "left of" relates two things that stay in place anyway."""
    if word == "background":
        return before in _BEFORE_A_PLACE
    return word in _PARTS or word in _HANDS or (word in _SIDES and after != "of")
