"""What a call wants, by its method and path: the scope that it needs, and what the audit log calls it."""

import re

from app.storage.tenants import Scope

_SAFE_METHODS = ("GET", "HEAD")
_FILES = r"(?:/cdn)?/files"
# Capabilities: who knows the URL of a file may read it, and who holds a token for an upload may make it.
_BY_TOKEN = re.compile(
    rf"PUT {_FILES}/.+|POST {_FILES}/upload(?:/multipart)?|POST {_FILES}/[^/]+/[^/]+/multipart/[^/]+/complete"
)
# As at fal, what an endpoint takes and answers is no secret.
_OPEN = re.compile(
    rf"/health|/ready|/rest/\.well-known/jwks\.json|/api/openapi/queue/openapi\.json|/api/v1/models|{_FILES}/.+"
)
_FILE_PATHS = re.compile(rf"/rest/storage/.+|{_FILES}/.+")
# What most calls are for, told apart by their beginnings: clients ask for a status ten times a second.
_PICTURES = ("/queue/", "/run/", "/v1/")
_ADMINISTRATION = re.compile(r"/(?:scaling|cache)(?:/.*)?")


def scope_of(method: str, path: str) -> Scope | None:
    """The scope that the call needs; None for what is open to everybody, or to who holds a token made for it."""
    if path.startswith(_PICTURES):
        return Scope.READ if method in _SAFE_METHODS else Scope.GENERATE
    if _BY_TOKEN.fullmatch(f"{method} {path}") or (method in _SAFE_METHODS and _OPEN.fullmatch(path)):
        return None
    if _ADMINISTRATION.fullmatch(path):
        return Scope.ADMIN
    if _FILE_PATHS.fullmatch(path):
        return Scope.FILES
    return Scope.READ if method in _SAFE_METHODS else Scope.GENERATE


def action_of(method: str, path: str) -> str | None:
    """What the audit log calls an answered call of a tenant; None for what is only looked at."""
    if method in _SAFE_METHODS:
        return None
    if method == "DELETE":
        return "delete"
    if path.rstrip("/").endswith("/cancel"):
        return "cancel"
    if path.startswith(("/queue/", "/batches")):
        return "submit"
    if path.startswith("/rest/tokens"):
        return "token"
    return "upload" if _FILE_PATHS.fullmatch(path) else "run"
