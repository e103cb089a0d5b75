"""Rows against what the server says its endpoints take, before anything runs."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jsonschema import Draft202012Validator

from app.batches.rows import Flaw, Row, parse_json

_SEED = "seed"
_INLINE = "sync_mode"
_SEED_BYTES = 4


class EndpointInput:
    """What one endpoint takes, by the OpenAPI document that the server gives for it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._root = {"components": document["components"]}
        self._reference = _input_reference(document)
        self._validator = Draft202012Validator(self._root | self._reference)
        name = self._reference["$ref"].rpartition("/")[2]
        self._fields: dict[str, Any] = document["components"]["schemas"][name]["properties"]

    @property
    def has_seed(self) -> bool:
        """Whether a seed decides about the picture."""
        return _SEED in self._fields

    def typed(self, cells: Mapping[str, str]) -> dict[str, Any]:
        """The values that the cells of a CSV stand for: text where the field takes it, otherwise JSON."""
        return {name: self._typed(name, text) for name, text in cells.items()}

    def complaints(self, arguments: Mapping[str, Any]) -> Iterator[str]:
        """Everything that is wrong with the input, a field that the endpoint does not have included."""
        for name in arguments:
            if name not in self._fields:
                yield f"{name}: the endpoint has no such field"
        if arguments.get(_INLINE):
            yield f"{_INLINE}: pictures of a batch come as files; leave it out"
        for error in self._validator.iter_errors(arguments):
            yield f"{error.json_path.removeprefix('$').removeprefix('.') or 'input'}: {error.message}"

    def _typed(self, name: str, text: str) -> Any:
        field = Draft202012Validator(self._root | self._fields.get(name, {}))
        if field.is_valid(text):
            return text
        try:
            return parse_json(text.lower() if text.lower() in ("true", "false") else text)
        except ValueError:
            return text


@dataclass(frozen=True, slots=True)
class Task:
    """A row that may run: its input is complete, and `digest` names the row as it was written."""

    row: Row
    digest: str


def check_rows(rows: list[Row], inputs: Mapping[str, EndpointInput | str]) -> tuple[list[Task], list[Flaw]]:
    """The rows as tasks, and everything that is wrong with any; `inputs` has text for an endpoint that cannot be had.

    Every task has a seed: its own, or one that follows from the row, so that a repeat is identical.
    """
    tasks: list[Task] = []
    flaws: list[Flaw] = []
    for row in rows:
        endpoint = inputs[row.endpoint]
        if isinstance(endpoint, str):
            flaws.append(Flaw(row.line, f"endpoint: {endpoint}"))
            continue
        typed = replace(row, arguments=endpoint.typed(row.arguments), is_text=False) if row.is_text else row
        flaws += [Flaw(row.line, complaint) for complaint in endpoint.complaints(typed.arguments)]
        tasks.append(_task(typed, has_seed=endpoint.has_seed))
    return tasks, flaws


def _task(row: Row, *, has_seed: bool) -> Task:
    written = json.dumps([row.row_id, row.endpoint, row.arguments], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(written.encode())
    if has_seed and _SEED not in row.arguments:
        seed = int.from_bytes(digest.digest()[:_SEED_BYTES])
        row = replace(row, arguments=row.arguments | {_SEED: seed})
    return Task(row, digest.hexdigest()[:32])


def _input_reference(document: Mapping[str, Any]) -> dict[str, str]:
    for methods in document["paths"].values():
        if "post" in methods:
            schema: dict[str, str] = methods["post"]["requestBody"]["content"]["application/json"]["schema"]
            return schema
    raise KeyError("the document has no operation to submit")
