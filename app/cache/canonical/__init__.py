"""One spelling for all prompts that ask for the same in other words.

The rules only ever give up what cannot change the request: courtesy at the ends, the look of quotation marks and
spaces, capitals that say nothing, British or American spelling, the order of tags that speak of the whole picture.
Words keep their order and their neighbours, because that is where colours, roles and places are bound. A prompt with
any sign that means something to some prompt syntax is compared as it stands.
"""

from app.cache.canonical.comparison import differences
from app.cache.canonical.form import CanonicalForm, canonical_form
from app.cache.canonical.key import canonical_key
from app.cache.canonical.repeats import Question, Repeats

__all__ = ["CanonicalForm", "Question", "Repeats", "canonical_form", "canonical_key", "differences"]
