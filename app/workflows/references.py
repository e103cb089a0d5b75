"""References: `$node.field.0` stands for a part of what a node gave, `$input.field` for one of the caller's values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

INPUT = "input"

_PART = r"[A-Za-z0-9_-]+"
_REFERENCE = re.compile(rf"\$(?P<source>{_PART})(?P<path>(?:\.{_PART})*)")
_MARK = "$"


class MissingValueError(LookupError):
    """There is no such part in what the node gave."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A part of what `source` gave: fields by name, elements of lists by number."""

    source: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((f"{_MARK}{self.source}", *self.path))


def parse_reference(text: str) -> Reference | None:
    """The reference that the text is; None for a text that stands for itself. Raises ValueError for a torn one."""
    if not text.startswith(_MARK):
        return None
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no reference; write $node.field, or $input.field")
    return Reference(found["source"], tuple(found["path"].split(".")[1:]))


def references_in(value: Any) -> Iterator[Reference]:
    """Every reference at any depth; raises ValueError for a torn one."""
    match value:
        case str():
            if (reference := parse_reference(value)) is not None:
                yield reference
        case dict():
            for part in value.values():
                yield from references_in(part)
        case list():
            for part in value:
                yield from references_in(part)


def written_size(value: Any) -> int:
    """About how many characters the value has as JSON; what is in it several times is measured once."""
    return _written_size(value, {})


def _written_size(value: Any, known: dict[int, int]) -> int:
    if not isinstance(value, dict | list):
        return len(value) + 2 if isinstance(value, str) else 8
    if id(value) not in known:
        parts = value.values() if isinstance(value, dict) else value
        names = sum(len(name) + 4 for name in value) if isinstance(value, dict) else 0
        known[id(value)] = 2 + names + sum(_written_size(part, known) + 2 for part in parts)
    return known[id(value)]


def filled(value: Any, outputs: Mapping[str, Any]) -> Any:
    """The value with every reference replaced by what it stands for; raises MissingValueError.

    A field that refers to an input which the caller left out is left out too.
    """
    match value:
        case str() if (reference := parse_reference(value)) is not None:
            return _found(reference, outputs)
        case dict():
            return {name: filled(part, outputs) for name, part in value.items() if not _is_left_out(part, outputs)}
        case list():
            return [filled(part, outputs) for part in value if not _is_left_out(part, outputs)]
    return value


def _is_left_out(value: Any, outputs: Mapping[str, Any]) -> bool:
    reference = parse_reference(value) if isinstance(value, str) else None
    if reference is None or reference.source != INPUT:
        return False
    try:
        return _found(reference, outputs) is None
    except MissingValueError:
        return True


def _found(reference: Reference, outputs: Mapping[str, Any]) -> Any:
    value = outputs[reference.source]
    for part in reference.path:
        value = _part(value, part, reference)
    return value


def _part(value: Any, part: str, reference: Reference) -> Any:
    if isinstance(value, dict) and part in value:
        return value[part]
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    raise MissingValueError(f"{reference} does not exist")
