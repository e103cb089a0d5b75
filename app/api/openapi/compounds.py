"""What is described of work that is made of other requests: workflows that callers bring along, and batches."""

from app.api.openapi.operations import (
    ANYTHING,
    EVENTS,
    TEXT,
    Operation,
    Schema,
    in_header,
    in_path,
    in_query,
    list_of,
    number,
    operation,
    record,
)

_JSON_LINES = "application/jsonl"
_LINES = "application/x-ndjson"
_KEY = in_header("Idempotency-Key", {"type": "string", "pattern": "^[!-~]{1,255}$"})
_WEBHOOK = in_query("fal_webhook", {"type": "string", "format": "uri"})
_BATCH_ID = in_path("batch_id", "[A-Za-z0-9_-]{1,64}")
_COUNTS = record({name: number(least=0, whole=True) for name in ("total", "completed", "failed")})
_STATES: Schema = {"type": "string", "enum": ["in_progress", "completed", "failed", "cancelled"]}
_BATCH = record({"id": TEXT, "object": TEXT, "status": _STATES, "request_counts": _COUNTS, "manifest_url": TEXT})


def compound_paths(endpoint_ids: list[str]) -> dict[str, dict[str, Operation]]:
    """Paths to their operations; the endpoints are those that workflows and batches may call."""
    return _workflows(endpoint_ids) | _batches(endpoint_ids)


def _workflows(endpoint_ids: list[str]) -> dict[str, dict[str, Operation]]:
    kinds: Schema = {"type": "string", "enum": ["run", "display"]}
    app: Schema = {"type": "string", "enum": endpoint_ids}
    node = record({"id": TEXT, "type": kinds}, app=app, depends=list_of(TEXT), input=record())
    takes = record({"workflow": record({"nodes": list_of(node, least=1), "output": record()})}, input=record())
    queued = {"200": record({"status": TEXT, "request_id": TEXT, "response_url": TEXT})}
    events = {"200": ANYTHING}
    return {
        "/run/workflows/execute": {"post": operation("Carry it out now.", takes=takes, gives={"200": record()})},
        "/run/workflows/execute/stream": {
            "post": operation("Carry it out now, with its events.", takes=takes, gives=events, gives_as=EVENTS)
        },
        "/queue/workflows/execute": {
            "post": operation("Carry it out later.", _KEY, _WEBHOOK, takes=takes, gives=queued)
        },
    }


def _batches(endpoint_ids: list[str]) -> dict[str, dict[str, Operation]]:
    usual = in_query("endpoint", {"type": "string", "enum": endpoint_ids})
    given = {"200": _BATCH}
    begin = operation("Draw every row.", usual, _KEY, _WEBHOOK, takes=TEXT, takes_as=_JSON_LINES, gives=given)
    named = record({"input_url": TEXT}, endpoint=TEXT, format={"type": "string", "enum": ["jsonl", "csv"]})
    begin["requestBody"]["content"] |= {"text/csv": {"schema": TEXT}, "application/json": {"schema": named}}
    lines = operation("What came of each row.", _BATCH_ID, gives={"200": TEXT}, gives_as=_LINES)
    return {
        "/batches": {"post": begin},
        "/batches/{batch_id}": {"get": operation("How far it is.", _BATCH_ID, gives=given)},
        "/batches/{batch_id}/manifest": {"get": lines},
        "/batches/{batch_id}/cancel": {"post": operation("Stop it.", _BATCH_ID, gives=given)},
    }
