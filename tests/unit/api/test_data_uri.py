"""Data URIs."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.data_uri import decode_data_uri, encode_data_uri
from app.errors import InvalidInputError


@given(st.binary(max_size=300))
def test_encoded_bytes_come_back(data: bytes) -> None:
    """Whatever is encoded is decoded to the same bytes."""
    assert decode_data_uri(encode_data_uri(data, "image/png"), max_bytes=300) == data


@pytest.mark.parametrize(
    ("uri", "data"),
    [
        ("data:,A%20b", b"A b"),
        ("data:image/png;base64,QQ==", b"A"),
        ("data:image/png;name=a;BASE64,QQ==", b"A"),
        ("data:image/png;base64,Q%51%3D%3D", b"A"),
        ("data:,a,b", b"a,b"),
        ("data:," + "%41" * 10, b"A" * 10),
    ],
)
def test_forms(uri: str, data: bytes) -> None:
    """Base64 and percent-encoding, with or without a media type."""
    assert decode_data_uri(uri, max_bytes=10) == data


@pytest.mark.parametrize(
    "uri", ["data:", "data:image/png;base64", "data:;base64,QQ", "data:;base64,Q!Q=", "data:;base64,=="]
)
def test_malformed_uri_is_refused(uri: str) -> None:
    """Without a comma or with broken base64 there is no picture."""
    with pytest.raises(InvalidInputError) as refused:
        decode_data_uri(uri, max_bytes=10)

    assert refused.value.issues[0].issue_type == "file_download_error"


@pytest.mark.parametrize("uri", ["data:,12345678901", "data:;base64,MTIzNDU2Nzg5MDE=", "data:," + "%41" * 11])
def test_too_long_a_uri_is_refused(uri: str) -> None:
    """The limit counts decoded bytes."""
    with pytest.raises(InvalidInputError) as refused:
        decode_data_uri(uri, max_bytes=10)

    assert (refused.value.issues[0].issue_type, refused.value.issues[0].context) == ("file_too_large", {"max_size": 10})


@given(st.text(max_size=200))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    """No text raises anything but InvalidInputError, and no answer is over the limit."""
    with suppress(InvalidInputError):
        assert len(decode_data_uri(f"data:{text}", max_bytes=50)) <= 50
