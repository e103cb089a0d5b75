"""fal's host names: what clients send to them is served here, whether it comes by name or through the proxy protocol.

A target is only ever translated into one of our own paths; nothing is fetched.
"""

from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PROXY_PATH = "/api/fal/proxy"
_CONNECTIONS = ("http", "websocket")
_PREFIXES = {
    "fal.run": "/run",
    "queue.fal.run": "/queue",
    "rest.fal.ai": "/rest",
    "v3.fal.media": "/cdn",
    # fal-client turns to these two by itself when the first two cannot be reached.
    "falrun.com": "/run",
    "queue.falrun.com": "/queue",
}

FAL_HOSTS = frozenset(_PREFIXES)


def path_by_name(host: str, path: str) -> str | None:
    """Our own path for a call to one of fal's hosts, which may carry a port; None for every other host."""
    prefix = _PREFIXES.get(host.partition(":")[0].lower())
    return None if prefix is None else prefix + path


def path_of_target(url: str) -> tuple[str, str] | None:
    """Our own path and the query for the target of a proxied call; None for one that is not fal's."""
    try:
        target = urlsplit(url)
        plain = target.scheme == "https" and target.netloc.lower() == target.hostname
    except ValueError:
        return None
    path = path_by_name(target.netloc, target.path or "/") if plain else None
    return None if path is None else (unquote(path), target.query)


class FalHosts:
    """Brings calls for fal's hosts to the paths that serve them.

    Calls by name are marked `by_fal_names` in their state, so that answers name those hosts again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call; a proxied one without an acceptable target is a 400."""
        if scope["type"] not in _CONNECTIONS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["type"] == "http" and scope["path"] == PROXY_PATH:
            found = path_of_target(headers.get("x-fal-target-url", ""))
            if found is None:
                await JSONResponse("Invalid request", status_code=400)(scope, receive, send)
                return
            scope = {**_moved(scope, found[0]), "query_string": found[1].encode("latin-1")}
        elif (path := path_by_name(headers.get("host", ""), scope["path"])) is not None:
            scope["state"]["by_fal_names"] = True
            scope = _moved(scope, path)
        await self._app(scope, receive, send)


def _moved(scope: Scope, path: str) -> Scope:
    return {**scope, "path": path, "raw_path": quote(path).encode()}
