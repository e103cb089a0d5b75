"""What an answer may be, by the header Accept (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Mapping

_WEIGHT = re.compile(r"q\s*=\s*(?P<weight>0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_ANYTHING = "*/*"


class Acceptance:
    """The weights, from 0 to 1, that a client gives to media types; without the header all are welcome."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        text = headers.get("accept", "").strip()
        self._weights = dict(_weighed(part) for part in text.split(",") if part.strip()) or {_ANYTHING: 1.0}

    def weight(self, content_type: str) -> float:
        """How welcome the type is, by the most specific range that it is in; 0 for one that is not."""
        family = f"{content_type.partition('/')[0]}/*"
        for known in (content_type, family, _ANYTHING):
            if known in self._weights:
                return self._weights[known]
        return 0.0

    def names(self, content_type: str) -> bool:
        """Whether the client names the type itself, which tells that it can read it."""
        return self._weights.get(content_type, 0.0) > 0.0


def _weighed(part: str) -> tuple[str, float]:
    content_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
    found = [match for parameter in parameters if (match := _WEIGHT.fullmatch(parameter))]
    return content_type, float(found[0]["weight"]) if found else 1.0
