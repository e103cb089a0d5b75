"""What holds for the canonical form of every prompt."""

import re
from collections import Counter
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from app.cache.canonical import canonical_form
from app.cache.canonical.lexicon import words

# Words that no rule may touch: none is a tag, a number, courtesy, a layout word, or spelled in two ways.
PLAIN = sorted(
    words("fox owl red blue tall walking under beside snow lamp small river glass boat with and holding of near")
)
TAGS = ["bokeh", "8k", "film grain", "golden hour", "high contrast", "masterpiece", "soft light"]
FRONTS = ["", "please draw ", "Could you create an image of ", "hello, please generate ", "Generate a picture of "]
BACKS = ["", "!", " please", ", thanks", ", thank you so much.", "..."]
ODD = [*"(){}[]<>|:;=+*/\\^~`@#$%&_", " --", " -x", "²", "½", "①", "🦊", "\u200b", "\u200d"]

phrases = st.lists(st.sampled_from(PLAIN), min_size=1, max_size=6).map(" ".join)
proses = st.lists(phrases, min_size=1, max_size=3).map(", ".join)
tags = st.lists(st.sampled_from(TAGS), max_size=4)
anything = st.lists(
    st.one_of(
        st.sampled_from(PLAIN + TAGS + ["Fox", "Owl", "RED", "A", "An", "the", "please", "thanks", "draw", "me", "3"]),
        st.sampled_from(
            ["Turkey", "colour", "photo", "three", "foxes", "picture", "left", "says", "an", "generate", "I"]
        ),
        st.sampled_from(
            [",", ".", "!", "...", "-", "—", "–", "'", "’", '"', "“", "”", "«", "»", ":", "(", "\n", "\u3000"]
        ),
        st.text(max_size=3),
    ),
    max_size=12,
)
glued = st.tuples(anything, st.sampled_from(["", " ", " "])).map(lambda made: made[1].join(made[0]))


def spoken(text: str) -> list[str]:
    """The words of a prompt of plain letters, in order."""
    return re.findall(r"\w+", text.lower())


@given(glued)
def test_the_form_of_a_form_is_itself(prompt: str) -> None:
    """Normalising twice changes nothing more, whatever the prompt."""
    once = canonical_form(prompt)

    assert canonical_form(once.text) == once


@given(st.text())
def test_any_text_has_one_form(prompt: str) -> None:
    """Every string has a form, which is stable."""
    once = canonical_form(prompt)

    assert canonical_form(once.text) == once


@given(st.sampled_from(FRONTS), proses, st.sampled_from(BACKS))
def test_no_content_word_is_dropped(front: str, prose: str, back: str) -> None:
    """Behind courtesy and punctuation every word is still there, in its order and in its part."""
    assert canonical_form(front + prose + back).text == canonical_form(prose).text == prose


@given(tags, proses, tags)
def test_tags_move_alone(before: list[str], prose: str, after: list[str]) -> None:
    """Whatever the tags around it, the prose stays together, and no tag is lost, doubled or moved across it."""
    parts = canonical_form(", ".join([*before, prose, *after])).text.split(", ")
    start, stop = len(before), len(parts) - len(after)

    assert ", ".join(parts[start:stop]) == prose
    assert (Counter(parts[:start]), Counter(parts[stop:])) == (Counter(before), Counter(after))


@given(proses, tags, st.randoms())
def test_the_order_of_tags_says_nothing(prose: str, after: list[str], random: Random) -> None:
    """Shuffled tags behind the prose have the same form."""
    shuffled = list(after)
    random.shuffle(shuffled)

    assert canonical_form(", ".join([prose, *shuffled])) == canonical_form(", ".join([prose, *after]))


@given(st.lists(st.sampled_from(PLAIN), min_size=2, max_size=8), st.data())
def test_words_never_change_places(sequence: list[str], data: st.DataObject) -> None:
    """Two orders of words are two forms, because order is what binds colours, roles and places."""
    other = data.draw(st.permutations(sequence))
    assume(other != sequence)

    assert canonical_form(" ".join(sequence)) != canonical_form(" ".join(other))


@given(st.lists(phrases, min_size=2, max_size=5), st.data())
def test_parts_never_change_places(parts: list[str], data: st.DataObject) -> None:
    """Parts between commas keep their order unless they are known tags."""
    other = data.draw(st.permutations(parts))
    assume(other != parts)

    assert canonical_form(", ".join(parts)) != canonical_form(", ".join(other))


@given(st.text(min_size=1).filter(lambda text: not set(text) & set("\"'“”„‟«»‘’‚‛")), st.sampled_from(BACKS))
def test_quoted_text_is_untouched(text: str, back: str) -> None:
    """What is quoted is kept to the last character, whatever it is."""
    assert canonical_form(f"A Fox Holding “{text}”{back}").text == f'a fox holding "{text}"'


@given(phrases, st.sampled_from(ODD), phrases)
def test_syntax_is_compared_as_it_stands(before: str, sign: str, after: str) -> None:
    """Any sign that is not prose keeps the whole prompt as it was written."""
    prompt = f"Please Draw {before}{sign}{after}, 8k, bokeh!"
    form = canonical_form(prompt)

    assert form.raw_because is not None
    assert form.text == prompt


@given(proses)
def test_capitals_of_a_headline_say_nothing(prose: str) -> None:
    """Shouting, and the capital of a sentence, are the same words."""
    plain = canonical_form(prose)

    assert canonical_form(prose.upper()) == plain
    assert canonical_form(prose[0].upper() + prose[1:]) == plain


@given(phrases, st.sampled_from(["Curie", "Monet", "Apple", "Paris"]))
def test_capitals_of_a_name_stay(prose: str, name: str) -> None:
    """A capital among small letters is kept."""
    assert canonical_form(f"the {prose} {name}").text == f"the {prose} {name}"


@given(proses)
def test_words_are_the_same_words(prose: str) -> None:
    """The form of prose is made of the prompt's own words."""
    assert spoken(canonical_form(prose.title()).text) == spoken(prose)
