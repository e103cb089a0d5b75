"""The official JavaScript client, unmodified, in a real page that comes from elsewhere, through the proxy protocol."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fal_server import fal_server
from playwright.sync_api import Page, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PATIENCE_MS = 200_000
PAGE = '<!doctype html><meta charset="utf-8"><title>Darkroom</title><script src="page.js"></script>'
# Without root's sandbox, which Chromium refuses to use, and without its own calls to its makers.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# Nobody else can be asked, whatever the page wants.
OPTIONS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of the client's calls by name, and the addresses that the page wanted beside our own."""

    results: Any
    strangers: list[str]
    preflights: int


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """The URL at which the folder is served: another origin than that of every other server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def visit(javascript: Path, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A page that has made all calls."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    bundle = ["npx", "--no-install", "esbuild", "page.mjs", "--bundle", f"--outfile={folder / 'page.js'}"]
    subprocess.run(bundle, cwd=javascript, check=True, capture_output=True)
    with fal_server() as server, site(folder) as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield visited(browser.new_page(), home, server)
        browser.close()


def visited(page: Page, home: str, server: str) -> Visit:
    """Let the page at `home` make its calls to the server."""
    wanted: list[str] = []
    methods: list[str] = []
    page.on("request", lambda request: wanted.append(request.url))
    page.set_default_timeout(PATIENCE_MS)
    # Requests must not be intercepted: then it is not the browser any more that asks whether the page may.
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.requestWillBeSent", lambda event: methods.append(event["request"]["method"]))
    page.goto(f"{home}/index.html?server={server}")
    results = page.evaluate("() => window.results.catch((error) => ({ failed: String(error) }))")
    ours = {urlsplit(url).netloc for url in (home, server)}
    strangers = [url for url in wanted if urlsplit(url).netloc not in {*ours, ""}]
    return Visit(results=results, strangers=strangers, preflights=methods.count("OPTIONS"))


def test_run(visit: Visit) -> None:
    """`run` gives pictures that the page can read, and the client knows the id of its request."""
    assert (visit.results["run"]["seed"], visit.results["run"]["hasId"]) == (3, True)
    assert visit.results["run"]["bytes"] > 100


@pytest.mark.parametrize("way", ["polled", "streamed"])
def test_subscribe(visit: Visit, way: str) -> None:
    """`subscribe` follows a request to its end, by polling or by a stream of its status."""
    assert visit.results[way] == {"seed": 4, "last": "COMPLETED"}


def test_cancel(visit: Visit) -> None:
    """A cancelled request ends with an error."""
    assert visit.results["cancel"] == {"status": "COMPLETED", "type": "client_cancelled"}


def test_stream(visit: Visit) -> None:
    """`stream` shows progress and ends with the whole output."""
    assert visit.results["stream"] == {"seed": 5, "progress": 5}


def test_uploads(visit: Visit) -> None:
    """Small files go at once, those over 90 MB in parts; the page reads both back."""
    assert visit.results["upload"] == {"text": "hello"}
    assert visit.results["uploadInParts"] == {"same": True}


def test_errors(visit: Visit) -> None:
    """Invalid input is the client's own ValidationError, which names the field."""
    assert visit.results["invalid"] == {"name": "ValidationError", "status": 422, "fields": ["body.prompt"]}


def test_realtime(visit: Visit) -> None:
    """A connection with a token answers with the bytes of a picture."""
    assert visit.results["realtime"] == {"seed": 6, "bytes": True}


def test_nothing_else_is_needed(visit: Visit) -> None:
    """The page asked nobody but us, and the browser asked whether it may."""
    assert visit.strangers == []
    assert visit.preflights > 0
