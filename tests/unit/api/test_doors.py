"""What a call wants, by its method and path."""

import pytest

from app.api.doors import action_of, scope_of
from app.storage.tenants import Scope

RUN = "/run/fal-ai/flux/schnell"
REQUEST = "/queue/fal-ai/flux/requests/r1"
FILE = "/files/0123abcd.png"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", RUN, Scope.GENERATE),
        ("POST", "/fal-ai/flux/schnell", Scope.GENERATE),
        ("POST", "/health", Scope.GENERATE),
        ("POST", "/queue/fal-ai/flux/schnell", Scope.GENERATE),
        ("PUT", f"{REQUEST}/cancel", Scope.GENERATE),
        ("GET", f"{REQUEST}/status", Scope.READ),
        ("GET", REQUEST, Scope.READ),
        ("POST", "/rest/tokens/", Scope.GENERATE),
        ("POST", "/v1/images/generations", Scope.GENERATE),
        ("GET", "/v1/models", Scope.READ),
        ("GET", "/usage", Scope.READ),
        ("GET", "/openapi.json", Scope.READ),
        ("POST", "/batches", Scope.GENERATE),
        ("GET", "/scaling", Scope.ADMIN),
        ("POST", "/rest/storage/auth/token", Scope.FILES),
        ("POST", "/rest/storage/upload/initiate", Scope.FILES),
        ("DELETE", FILE, Scope.FILES),
        ("DELETE", f"/cdn{FILE}", Scope.FILES),
        ("GET", FILE, None),
        ("HEAD", f"/cdn{FILE}", None),
        ("PUT", f"{FILE}?token=x", None),
        ("POST", "/files/upload", None),
        ("POST", "/cdn/files/upload/multipart", None),
        ("POST", "/files/uploads/ab.png/multipart/token/complete", None),
        ("GET", "/health", None),
        ("GET", "/ready", None),
        ("GET", "/rest/.well-known/jwks.json", None),
        ("GET", "/api/openapi/queue/openapi.json", None),
        ("GET", "/api/v1/models", None),
    ],
)
def test_scopes(method: str, path: str, scope: Scope | None) -> None:
    """Everything needs a scope but health, the keys of webhooks, fal's documents, files by URL and uploads by token."""
    assert scope_of(method, path) is scope


@pytest.mark.parametrize(
    "path", ["/files", "/health/x", "/filesystem", "/x/files/a.png", "/ready/", "/cdn/health", "/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_what_only_resembles_an_open_path_is_none(method: str, path: str) -> None:
    """A path is open in full or not at all."""
    assert scope_of(method, path) is not None


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", RUN, "run"),
        ("POST", "/v1/images/edits", "run"),
        ("POST", "/queue/fal-ai/flux/schnell", "submit"),
        ("POST", "/batches", "submit"),
        ("PUT", f"{REQUEST}/cancel", "cancel"),
        ("POST", "/batches/b/cancel", "cancel"),
        ("DELETE", FILE, "delete"),
        ("POST", "/rest/tokens/realtime", "token"),
        ("POST", "/rest/storage/auth/token", "upload"),
        ("GET", f"{REQUEST}/status", None),
        ("HEAD", RUN, None),
    ],
)
def test_actions(method: str, path: str, action: str | None) -> None:
    """The audit log has a word for everything that changes something, and none for looking."""
    assert action_of(method, path) == action
