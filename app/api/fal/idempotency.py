"""`Idempotency-Key`: a submit that is repeated with the same key and input is one request."""

import hashlib
import json
import re
from collections.abc import Mapping

from app.errors import BadRequestError
from app.storage.jobs import Once

_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def once_of(headers: Mapping[str, str], *, tenant: str, endpoint_id: str, body: bytes) -> Once | None:
    """What makes the call one of several that are the same; None without the header; raises BadRequestError.

    Bodies that are equal as JSON are the same input.
    """
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        raise BadRequestError("Idempotency-Key must have 1 to 255 visible ASCII characters")
    return Once(tenant, key, hashlib.sha256(endpoint_id.encode() + b"\n" + _canonical(body)).hexdigest())


def _canonical(body: bytes) -> bytes:
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body
