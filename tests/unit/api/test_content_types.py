"""Media types and file extensions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.content_types import content_type_of, extension_of


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "text/plain", "application/pdf"],
)
def test_a_type_survives_its_extension(content_type: str) -> None:
    """What was uploaded as a picture is served as that kind of picture."""
    assert content_type_of(f"a.{extension_of(content_type)}") == content_type


def test_parameters_and_case_do_not_matter() -> None:
    """A type is known by its name alone."""
    assert extension_of("Image/PNG; charset=x") == "png"


@given(st.text())
def test_an_extension_is_always_fit_for_a_file_name(content_type: str) -> None:
    """An unknown type is kept as bytes; none leads out of the folder."""
    assert extension_of(content_type).isalnum()
