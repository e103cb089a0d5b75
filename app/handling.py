"""How a caller wants a request handled, beside what it asks for."""

from dataclasses import dataclass

# As on fal: however often a caller wants a request tried, it is begun at most so many times.
MOST_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a queued request is tried again after a lost connection to its model, and after the model's failure.

    None is as often as is usual.
    """

    connection_error: int | None = None
    server_error: int | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """The URL that is told what became of a request; files in what it is told are below the base URL `cdn`."""

    url: str
    cdn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """Wishes that change nothing about the picture.

    `hint` names the replica that is to be preferred, by what it has served before; `tags` are
    labels of the caller's own; files of the output stay for `output_lifetime_s`, or as usual.
    """

    hint: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    retries: Retries = Retries()
    output_lifetime_s: float | None = None


USUAL = Handling()
