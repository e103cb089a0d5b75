"""What is described of tokens, uploads and files."""

from app.api.openapi.operations import (
    ANYTHING,
    OCTETS,
    TEXT,
    Operation,
    in_header,
    in_path,
    in_query,
    list_of,
    number,
    operation,
    record,
)

_FOLDER, _NAME = in_path("folder", "[a-z]+"), in_path("name", r"[0-9a-z-]+\.[a-z]+")
_UPLOAD_TOKEN = in_path("token", r"[A-Za-z0-9_.-]+")
_LIFECYCLE = in_header("X-Fal-Object-Lifecycle", TEXT)
_NAMED = record(content_type=TEXT, file_name=TEXT)
_PLACES = {"200": record({"upload_url": TEXT, "file_url": TEXT})}
_URL = {"200": record({"access_url": TEXT})}
_ANY_FILE = {"type": "string", "format": "binary"}
_PART = record({"partNumber": number(least=1, whole=True), "etag": TEXT})


def file_paths() -> dict[str, dict[str, Operation]]:
    """Paths to their operations."""
    return _tokens() | _uploads() | _files()


def _tokens() -> dict[str, dict[str, Operation]]:
    apps = list_of({"type": "string", "minLength": 1}, least=1)
    seconds = number(least=1)
    realtime = operation(
        "A token for realtime connections and streams of these apps.",
        takes=record({"allowed_apps": apps}, token_expiration=seconds, duration=seconds),
        gives={"200": TEXT},
    )
    upload = operation(
        "A token for uploads, and where they go.", gives={"200": record({"token": TEXT, "base_url": TEXT})}
    )
    return {
        "/rest/tokens/": {"post": realtime},
        "/rest/tokens/realtime": {"post": realtime},
        "/rest/storage/auth/token": {"post": upload},
    }


def _uploads() -> dict[str, dict[str, Operation]]:
    initiate = operation("Name a file, and the URL that takes its bytes.", _LIFECYCLE, takes=_NAMED, gives=_PLACES)
    in_parts = operation("Name a file, and the URL that takes its parts.", _LIFECYCLE, takes=_NAMED, gives=_PLACES)
    whole = operation("Keep a file; needs a token.", _LIFECYCLE, takes=_ANY_FILE, takes_as=OCTETS, gives=_URL)
    begin = operation("Name a file that comes in parts; needs a token.", _LIFECYCLE, gives=_URL)
    return {
        "/rest/storage/upload/initiate": {"post": initiate},
        "/rest/storage/upload/initiate-multipart": {"post": in_parts},
        "/cdn/files/upload": {"post": whole},
        "/cdn/files/upload/multipart": {"post": begin},
        "/cdn/files/{folder}/{name}": {
            "put": operation(
                "Keep a file at a signed URL.",
                _FOLDER,
                _NAME,
                in_query("token", TEXT),
                takes=_ANY_FILE,
                takes_as=OCTETS,
            )
        },
        "/cdn/files/{folder}/{name}/multipart/{token}/{number}": {
            "put": operation(
                "Keep a part of a file.",
                *(_FOLDER, _NAME, _UPLOAD_TOKEN, in_path("number", "", whole=True)),
                takes=_ANY_FILE,
                takes_as=OCTETS,
            )
        },
        "/cdn/files/{folder}/{name}/multipart/{token}/complete": {
            "post": operation(
                "Make a file of its parts.", _FOLDER, _NAME, _UPLOAD_TOKEN, takes=record({"parts": list_of(_PART)})
            )
        },
    }


def _files() -> dict[str, dict[str, Operation]]:
    headers = (in_header("Range", TEXT), in_header("If-Range", TEXT), in_header("If-None-Match", TEXT))
    parts = {"200": ANYTHING, "206": ANYTHING, "304": ANYTHING, "307": ANYTHING, "416": ANYTHING}
    read = operation("A finished picture.", in_path("name", r"[0-9a-z.-]+"), *headers, gives=parts, gives_as="*/*")
    upload = operation("An uploaded file.", _FOLDER, _NAME, *headers, gives=parts, gives_as="*/*")
    forget = operation("Delete an upload of one's own.", _FOLDER, _NAME, gives={"204": ANYTHING}, gives_as="*/*")
    return {"/files/{name}": {"get": read}, "/files/{folder}/{name}": {"get": upload, "delete": forget}}
