"""What is described of work of many parts, and of what was used and is planned."""

from app.api.openapi.operations import (
    EVENTS,
    TEXT,
    Operation,
    Schema,
    in_path,
    in_query,
    number,
    operation,
    record,
)

_EXECUTE = "workflows/execute"
_BATCH: Schema = record(
    {"id": TEXT, "object": TEXT, "status": TEXT, "request_counts": record()}, manifest_url=TEXT, cancel_url=TEXT
)
_ROWS: Schema = {"type": "string", "description": "A JSON object a line: `endpoint`, `id`, and the endpoint's input."}
_LINES = "application/x-ndjson"


def work_paths() -> dict[str, dict[str, Operation]]:
    """Paths to their operations."""
    return _batches() | _workflows() | _accounts()


def _batches() -> dict[str, dict[str, Operation]]:
    batch_id = in_path("batch_id", "[A-Za-z0-9_-]{1,64}")
    hook, endpoint = in_query("fal_webhook", {"type": "string", "format": "uri"}), in_query("endpoint", TEXT)
    begin = operation("Begin a batch.", hook, endpoint, takes=_ROWS, takes_as=_LINES, gives={"200": _BATCH})
    cancel = operation("Stop a batch.", batch_id, gives={"200": _BATCH})
    return {
        "/batches": {"post": begin},
        "/batches/{batch_id}": {"get": operation("How far a batch is.", batch_id, gives={"200": _BATCH})},
        "/batches/{batch_id}/manifest": {
            "get": operation("What came of the rows that are over.", batch_id, gives={"200": TEXT}, gives_as=_LINES)
        },
        "/batches/{batch_id}/cancel": {"post": cancel, "put": cancel},
    }


def _workflows() -> dict[str, dict[str, Operation]]:
    node = record({"id": TEXT, "type": {"type": "string", "enum": ["input", "run", "display"]}}, app=TEXT)
    workflow = record({"nodes": {"type": "object", "additionalProperties": node}}, output=record(), version=TEXT)
    takes = record({"workflow": workflow}, input=record())
    status = {"200": record({"request_id": TEXT, "status_url": TEXT, "queue_position": number(whole=True)})}
    return {
        f"/run/{_EXECUTE}": {"post": operation("Carry out a workflow now.", takes=takes)},
        f"/run/{_EXECUTE}/stream": {"post": operation("The same, with its events.", takes=takes, gives_as=EVENTS)},
        f"/queue/{_EXECUTE}": {"post": operation("Carry out a workflow later.", takes=takes, gives=status)},
    }


def _accounts() -> dict[str, dict[str, Operation]]:
    scaling = {"200": record(deployments=record()), "503": record({"detail": TEXT})}
    return {
        "/usage": {"get": operation("What the caller's tenant has used.", gives={"200": record({"tenant": TEXT})})},
        "/scaling": {"get": operation("How many replicas there shall be, and why.", gives=scaling)},
    }
