"""What a client's headers say about the picture that suits it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.acceptance import Acceptance
from app.api.client_hints import WIDTHS, Suiting, suiting
from app.generation import ImageFormat

PNG, JPEG, WEBP, AVIF = ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.WEBP, ImageFormat.AVIF
ALL = frozenset(ImageFormat)
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize(
    ("accept", "weights"),
    [
        (None, (1.0, 1.0)),
        ("", (1.0, 1.0)),
        ("image/webp", (0.0, 1.0)),
        ("image/*;q=0.5, image/webp;q=0.25", (0.5, 0.25)),
        ("*/*;q=0.1, IMAGE/PNG ; level=1 ; q=0.75", (0.75, 0.1)),
        ("image/png;q=2, image/webp;q=x", (1.0, 1.0)),
        ("image/png;q=0", (0.0, 0.0)),
    ],
)
def test_weights(accept: str | None, weights: tuple[float, float]) -> None:
    """The most specific range decides; what is malformed weighs nothing down."""
    acceptance = Acceptance({} if accept is None else {"accept": accept})

    assert (acceptance.weight("image/png"), acceptance.weight("image/webp")) == weights


@pytest.mark.parametrize(
    ("accept", "stored", "served"),
    [
        ("*/*", PNG, PNG),
        (CHROME, PNG, PNG),
        (FIREFOX, PNG, PNG),
        (FIREFOX, JPEG, AVIF),
        ("image/webp", PNG, WEBP),
        ("image/webp, image/avif", JPEG, AVIF),
        ("image/webp, */*;q=0.5", PNG, WEBP),
        ("image/*, image/webp;q=0.5", PNG, PNG),
        ("text/html", PNG, PNG),
        ("image/gif", PNG, PNG),
    ],
)
def test_formats(accept: str, stored: ImageFormat, served: ImageFormat) -> None:
    """The stored format stays unless another is more welcome; of those, the one that compresses best."""
    assert suiting({"accept": accept}, stored, can_encode=ALL) == Suiting(served)


@pytest.mark.parametrize(("accept", "served"), [(CHROME, AVIF), (FIREFOX, AVIF), ("*/*", PNG), ("image/png", PNG)])
def test_saving_data(accept: str, served: ImageFormat) -> None:
    """A client that wants to save data gets the smallest that it names and likes as much."""
    assert suiting({"accept": accept, "save-data": "on"}, PNG, can_encode=ALL) == Suiting(served, is_lean=True)


def test_formats_that_cannot_be_written() -> None:
    """A machine without a codec serves the next best."""
    assert suiting({"accept": "image/avif, image/webp"}, PNG, can_encode=frozenset({WEBP})) == Suiting(WEBP)


@pytest.mark.parametrize(
    ("headers", "width"),
    [
        ({"sec-ch-width": "300"}, 384),
        ({"width": "300"}, 384),
        ({"sec-ch-width": "100", "width": "3000"}, 128),
        ({"sec-ch-width": "384.0"}, 384),
        ({"sec-ch-width": "5000"}, None),
        ({"sec-ch-width": "0"}, None),
        ({"sec-ch-width": "-3"}, None),
        ({"sec-ch-width": "1e3"}, None),
        ({"sec-ch-dpr": "2"}, None),
        ({"sec-ch-width": "600", "sec-ch-dpr": "2"}, 768),
        ({"sec-ch-width": "600", "sec-ch-dpr": "2", "save-data": "on"}, 384),
        ({"width": "600", "dpr": "2", "save-data": "on"}, 384),
        ({"sec-ch-width": "600", "sec-ch-dpr": "0.5", "save-data": "on"}, 768),
    ],
)
def test_widths(headers: dict[str, str], width: int | None) -> None:
    """The width in physical pixels, rounded up to one that is made; in points where data is to be saved."""
    assert suiting(headers, PNG, can_encode=ALL).width == width


@given(
    st.dictionaries(st.sampled_from(["accept", "save-data", "sec-ch-width", "width", "sec-ch-dpr", "dpr"]), st.text())
)
def test_any_headers(headers: dict[str, str]) -> None:
    """Whatever they say, what suits is one of few."""
    suited = suiting(headers, PNG, can_encode=ALL)

    assert suited.width is None or suited.width in WIDTHS
