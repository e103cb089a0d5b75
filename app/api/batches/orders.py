"""What a call to begin a batch asks: rows in its body, or in a file that it names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.api.body import parse_object
from app.api.fal.endpoints import EndpointTable
from app.api.fal.openapi import described, document
from app.api.ports import Fetcher
from app.batches.checking import EndpointInput, Task, check_rows
from app.batches.rows import Flaw, parse_rows
from app.errors import BadRequestError, FieldIssue, InvalidInputError, NotFoundError

_JSON_LINES = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines", "application/jsonlines")
_CSV = "text/csv"
_FILE_URL = "input_url"
_ENDPOINT = "endpoint"
_FORMATS = ("jsonl", "csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The text of all rows, and the endpoint of those that name none."""

    text: str
    is_csv: bool
    endpoint: str


class Orders:
    """Reads and checks rows, all of them before any runs."""

    def __init__(self, endpoints: EndpointTable, fetcher: Fetcher) -> None:
        self._endpoints = endpoints
        self._fetcher = fetcher

    async def table(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, *, own_base: str) -> Table:
        """The rows of a call; raises BadRequestError for a body of another kind, InvalidInputError."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == _CSV or kind in _JSON_LINES:
            return Table(text=_text(body), is_csv=kind == _CSV, endpoint=query.get(_ENDPOINT, ""))
        if kind != "application/json":
            raise BadRequestError(
                f"A batch is {_JSON_LINES[0]}, {_CSV}, or application/json that names its {_FILE_URL}"
            )
        return await self._named(parse_object(body), own_base)

    async def _named(self, order: dict[str, Any], own_base: str) -> Table:
        url, endpoint, form = order.get(_FILE_URL), order.get(_ENDPOINT, ""), order.get("format", "")
        if not isinstance(url, str) or not isinstance(endpoint, str) or form not in ("", *_FORMATS):
            raise _refused(f"{_FILE_URL} and {_ENDPOINT} are texts, format is one of {', '.join(_FORMATS)}")
        try:
            data = await self._fetcher.fetch(url, own_base=own_base)
        except InvalidInputError as error:
            raise InvalidInputError(tuple(replace(each, loc=("body", _FILE_URL)) for each in error.issues)) from error
        is_csv = form == "csv" or (not form and url.partition("?")[0].lower().endswith(".csv"))
        return Table(text=_text(data), is_csv=is_csv, endpoint=endpoint)

    def tasks(self, table: Table) -> list[Task]:
        """What is to be done; raises InvalidInputError with every flaw of every row, each with its line."""
        rows, flaws = parse_rows(table.text, endpoint=table.endpoint, is_csv=table.is_csv)
        inputs = {endpoint: self._input(endpoint) for endpoint in {row.endpoint for row in rows}}
        tasks, more = check_rows(rows, inputs)
        found = sorted((*flaws, *more), key=lambda flaw: flaw.line)
        if found:
            raise InvalidInputError(tuple(_issue(flaw) for flaw in found))
        if not tasks:
            raise _refused("there is no row")
        return tasks

    def _input(self, endpoint_id: str) -> EndpointInput | str:
        if not endpoint_id:
            return "the row names no endpoint, and the call names none for it"
        try:
            return EndpointInput(document(described(self._endpoints.find(endpoint_id)), ""))
        except NotFoundError as error:
            return error.detail


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused("the rows are not in UTF-8") from error


def _issue(flaw: Flaw) -> FieldIssue:
    return FieldIssue(("body", flaw.line), flaw.message, "value_error", {"line": flaw.line})


def _refused(message: str) -> InvalidInputError:
    return InvalidInputError((FieldIssue(("body",), message, "value_error"),))
