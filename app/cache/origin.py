"""Where a remembered picture came from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose a picture is, which revision of which model made it, and for which prompt."""

    tenant: str = ""
    revision: str = ""
    prompt: str = ""
