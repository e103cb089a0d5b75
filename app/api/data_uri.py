"""`data:` URIs, by which pictures travel inside JSON in both directions."""

import base64
import binascii
from urllib.parse import unquote_to_bytes

from app.api.refusals import file_too_large, not_downloaded

# Percent-encoding triples a byte at most, so a longer text is over the limit whatever it says.
_LONGEST_ENCODING = 3


def encode_data_uri(data: bytes, content_type: str) -> str:
    """The bytes as a base64 data URI."""
    return f"data:{content_type};base64,{base64.b64encode(data).decode('ascii')}"


def decode_data_uri(uri: str, *, max_bytes: int) -> bytes:
    """The bytes inside; raises InvalidInputError for a malformed URI or more than `max_bytes`."""
    head, comma, payload = uri.partition(",")
    if not comma:
        raise not_downloaded("the data URI has no comma before its data")
    if len(payload) > _LONGEST_ENCODING * max_bytes:
        raise file_too_large(max_bytes)
    data = unquote_to_bytes(payload)
    if head.lower().endswith(";base64"):
        data = _from_base64(data)
    if len(data) > max_bytes:
        raise file_too_large(max_bytes)
    return data


def _from_base64(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise not_downloaded("the data URI is not valid base64") from error
