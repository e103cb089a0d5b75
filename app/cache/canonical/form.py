"""The canonical form of a prompt: what two wordings of the same request have in common."""

from dataclasses import dataclass
from typing import Final

from app.cache.canonical.capitals import without_idle_capitals
from app.cache.canonical.courtesy import without_courtesy
from app.cache.canonical.layout import layout_reason
from app.cache.canonical.lettering import lettering_reason
from app.cache.canonical.reading import Raw, read
from app.cache.canonical.tags import in_tag_order
from app.cache.canonical.tokens import Tokens, trimmed, written
from app.cache.canonical.wording import in_one_spelling

LONGEST_PROMPT: Final = 512


@dataclass(frozen=True, slots=True)
class CanonicalForm:
    """A prompt as it is compared; `raw_because` says why it is compared as it stands, where it is."""

    text: str
    raw_because: str | None = None


def canonical_form(prompt: str) -> CanonicalForm:
    """The form that prompts share only when they ask for the same; the form of a form is itself."""
    tokens = _understood(prompt)
    if isinstance(tokens, Raw):
        return CanonicalForm(prompt.strip(), tokens.reason)
    return CanonicalForm(written(in_tag_order(in_one_spelling(without_idle_capitals(tokens)))))


def _understood(prompt: str) -> Tokens | Raw:
    tokens = read(prompt)
    if isinstance(tokens, Raw):
        return tokens
    if len(tokens) > LONGEST_PROMPT:
        return Raw(f"more than {LONGEST_PROMPT} words are more than text encoders read")
    spoken = without_courtesy(trimmed(tokens))
    reason = layout_reason(spoken) or lettering_reason(spoken)
    return spoken if reason is None else Raw(reason)
