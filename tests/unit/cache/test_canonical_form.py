"""The canonical form: which wordings ask for the same, and which only look alike."""

import pytest

from app.cache.canonical import canonical_form

SAME = [
    ("a fox in the snow", "  A fox  in the\tsnow . "),
    ("a fox in the snow", "A FOX IN THE SNOW!!!"),
    ("a fox in the snow", "A Fox in the Snow…"),
    ("a fox in the snow", "\uff41 fox in the snow"),
    ("a fox's den", "a fox’s den"),
    ("a door that says “Open”", 'a door that says "Open"'),
    ("a door that says 'Open'", 'a door that says "Open"'),
    ("a fox — in the snow", "a fox - in the snow"),
    ("a fox, oil painting", "a fox ,, oil painting,"),
    ("a fox", "Could you please create an image of a fox?"),
    ("a fox", "Hello, please draw me a fox, thank you very much!"),
    ("a fox", "I'd like to have a picture of a fox please"),
    ("charcoal drawing of a fox", "draw me charcoal drawing of a fox"),
    ("three foxes in the snow", "3 foxes in the snow"),
    ("a den with four young foxes", "a den with 4 young foxes"),
    ("an owl in a grey theatre", "an owl in a gray theater"),
    ("photo of an owl", "photograph of an owl"),
    ("a fox, bokeh, 8k, golden hour", "a fox, golden hour, 8K, bokeh"),
    ("masterpiece, best quality, a fox, bokeh", "best quality, masterpiece, a fox, bokeh"),
    ("a portrait of Marie Curie, Film Grain", "A portrait of Marie Curie, film grain"),
]
DIFFERENT = [
    pytest.param("a red fox and a blue owl", "a blue fox and a red owl", id="binding"),
    pytest.param("a fox and an owl", "an owl and a fox", id="order of things"),
    pytest.param("a fox in the snow", "in the snow, a fox", id="order of parts"),
    pytest.param("a fox, red, an owl, blue", "a fox, blue, an owl, red", id="parts that bind"),
    pytest.param("a fox, bokeh, an owl, 8k", "a fox, 8k, an owl, bokeh", id="tags between other parts"),
    pytest.param("a fox, etching, oil painting, 8k", "a fox, oil painting, etching, 8k", id="two media"),
    pytest.param("a fox. bokeh, 8k", "a fox. 8k, bokeh", id="sentences"),
    pytest.param("a fox", "the fox", id="articles"),
    pytest.param("a red, fox", "a red fox", id="commas"),
    pytest.param("a close-up of a fox", "a close up of a fox", id="hyphens"),
    pytest.param("a door that says “Open”", "a door that says “OPEN”", id="capitals in quotes"),
    pytest.param('"a  fox"', '"a fox"', id="spaces in quotes"),
    pytest.param("a sign that says open", "A SIGN THAT SAYS OPEN", id="lettering that is not quoted"),
    pytest.param("a jersey with the number 3", "a jersey with the number three", id="a numeral that is drawn"),
    pytest.param("an apple on a table", "an Apple on a table", id="a name in small company"),
    pytest.param("Turkey on a plate", "turkey on a plate", id="a name at the beginning"),
    pytest.param("POLISH BOOTS", "polish boots", id="a name that is shouted"),
    pytest.param("a cat chasing Grey", "a cat chasing Gray", id="the spelling of a name"),
    pytest.param("(a fox)", "a fox", id="brackets"),
    pytest.param("fox:1.2", "fox 1.2", id="weights"),
    pytest.param("a fox --raw", "a fox raw", id="flags"),
    pytest.param("left, a fox, right, an owl!", "left, a fox, right, an owl", id="layout"),
    pytest.param("x² on a board", "x2 on a board", id="superscripts"),
    pytest.param("Maße", "Masse", id="letters that fold to others"),
    pytest.param("a man—eating shark", "a man-eating shark", id="a dash is no hyphen"),
    pytest.param("imagine dragons", "dragons", id="a verb that is no request"),
    pytest.param("I want you", "you", id="a wish without a picture"),
    pytest.param("draw me riding a fox", "riding a fox", id="the speaker in the picture"),
    pytest.param("show jumping horse", "jumping horse", id="show is not show me"),
    pytest.param("a girl giving thanks", "a girl giving", id="thanks in the picture"),
    pytest.param("a man eager to please", "a man eager to", id="please in the picture"),
    pytest.param("a card with a heart, thank you", "a card with a heart", id="thanks on a card"),
    pytest.param("do not draw a fox", "draw a fox", id="a request that is refused"),
    pytest.param("STOP sign", "stop sign", id="capitals that may be drawn"),
    pytest.param("hello kitty", "kitty", id="a greeting that is a name"),
    pytest.param("please", "", id="nothing but courtesy"),
    pytest.param("a picture of a fox", "a fox", id="a picture in the picture"),
    pytest.param("a couch", "a sofa", id="words that are nearly the same"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_wordings_of_one_request(one: str, other: str) -> None:
    """What differs in courtesy, punctuation, idle capitals, spelling or the order of tags has one form."""
    assert canonical_form(one) == canonical_form(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_requests_that_look_alike(one: str, other: str) -> None:
    """What may ask for another picture has another form."""
    assert canonical_form(one) != canonical_form(other)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("a fox, (bokeh:1.2)", "'(' may be syntax"),
        ("a fox; an owl", "';' may be syntax"),
        ("snow_fox", "'_' may be syntax"),
        ("½ fox", "'½' may mean more than its letters"),
        ("the foxes' den", '"\'" may be syntax'),
        ('a "fox', "'\"' may be syntax"),
        ("say “a “b” c”", "quotation marks inside quotation marks"),
        ("panel one, a fox", "'panel' may lay out the picture"),
        ("an owl on the left, a fox on the right", "'left' may lay out the picture"),
        ("a mug with the words good morning", "'words' may introduce lettering, which is not quoted"),
    ],
)
def test_why_a_prompt_is_compared_as_it_stands(prompt: str, reason: str) -> None:
    """A prompt that may be more than prose keeps every character, and the form says why."""
    form = canonical_form(f" {prompt}\n")

    assert (form.text, form.raw_because) == (prompt, reason)


def test_endless_prompts_are_compared_as_they_stand() -> None:
    """Beyond what any encoder reads there is nothing to gain, and there may be somebody who wants to waste time."""
    prompt = "please " * 600

    assert canonical_form(prompt).text == prompt.strip()
    assert canonical_form(prompt).raw_because == "more than 512 words are more than text encoders read"


@pytest.mark.parametrize("prompt", ["a fox left of an owl", "a fox on a white background", 'the words "good morning"'])
def test_what_does_not_lay_out_a_picture(prompt: str) -> None:
    """Relations between neighbours, a plain background and quoted lettering are prose."""
    assert canonical_form(prompt).raw_because is None
