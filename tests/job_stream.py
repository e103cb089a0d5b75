"""A stream of queued jobs from a client that does what a client should, and a witness who looks at their statuses."""

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import fal_client
import fal_client.client
import httpx
from fal_server import official_client

CALLERS = 4
AGAIN_S = 0.5
GLANCE_S = 0.1
PATIENCE_S = 10.0


def asking(seed: int) -> dict[str, Any]:
    """The input of the smallest picture there is, in one step."""
    size = {"width": 64, "height": 64}
    usual = {"prompt": "a red circle left of a blue square", "image_size": size, "output_format": "png"}
    return usual | {"seed": seed, "num_inference_steps": 1}


class JobStream:
    """Submits one job per seed with fal's client, and again with the same key until it is acknowledged."""

    def __init__(self, client: fal_client.SyncClient, *, app: str, hook: str) -> None:
        self._client = client
        self._app = app
        self._hook = hook
        self._pool = ThreadPoolExecutor(CALLERS)
        self._seeds = itertools.count()
        self._offered: list[Future[None]] = []
        self._is_closed = threading.Event()
        self.acknowledged: dict[int, str] = {}
        self.refusals = 0

    def offer(self, jobs: int) -> None:
        """Submit so many more in the background."""
        self._offered += [self._pool.submit(self._submit, next(self._seeds)) for _ in range(jobs)]

    def finish(self) -> None:
        """Wait until all that were offered are acknowledged."""
        for offered in self._offered:
            offered.result()

    def close(self) -> None:
        """Give up what is not acknowledged."""
        self._is_closed.set()
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, seed: int) -> None:
        while not self._is_closed.is_set():
            try:
                handle = self._client.submit(
                    self._app, asking(seed), webhook_url=self._hook, headers={"Idempotency-Key": f"picture-{seed}"}
                )
            except (httpx.TransportError, fal_client.FalClientHTTPError) as error:
                self._note(error)
                self._is_closed.wait(AGAIN_S)
            else:
                self.acknowledged[seed] = handle.request_id
                return

    def _note(self, error: Exception) -> None:
        """A refusal by Darkroom itself that is the caller's fault would be one for ever.

        While a cluster starts, Ray's proxy answers 404 on its behalf, without the id that all our answers have.
        """
        if isinstance(error, fal_client.FalClientHTTPError):
            is_ours = "x-fal-request-id" in error.response.headers
            if is_ours and error.status_code < 500:
                raise error
        self.refusals += 1


@contextmanager
def job_stream(url: str, *, app: str, hook: str) -> Iterator[JobStream]:
    """A stream to the server at `url`, whose client comes back within a second."""
    with official_client(url) as client:
        module = vars(fal_client.client)
        longest_s = module["MAX_DELAY"]
        module["MAX_DELAY"] = 1.0
        stream = JobStream(client, app=app, hook=hook)
        try:
            yield stream
        finally:
            stream.close()
            module["MAX_DELAY"] = longest_s


class Witness:
    """Looks at acknowledged requests in turn, each time over a new connection, and notes what must never be seen."""

    def __init__(self, url: str, *, app: str, acknowledged: Mapping[int, str]) -> None:
        self._url = f"{url}/queue/{app}/requests"
        self._acknowledged = acknowledged
        self._complete: set[str] = set()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.answers = 0
        self.silences = 0
        self.contradictions: list[str] = []

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        for glance in itertools.count():
            if self._is_over.wait(GLANCE_S):
                return
            if known := list(self._acknowledged.values()):
                # The newest and the others in turn: what is complete, and what is under way.
                self._glance_at(known[-1] if glance % 2 else known[glance * 37 % len(known)])

    def _glance_at(self, request_id: str) -> None:
        try:
            answer = httpx.get(f"{self._url}/{request_id}/status", timeout=PATIENCE_S)
        except httpx.TransportError:
            self.silences += 1
            return
        if "x-fal-request-id" not in answer.headers or answer.status_code >= 500:
            self.silences += 1
            return
        self.answers += 1
        status = answer.json().get("status")
        if answer.status_code == httpx.codes.NOT_FOUND:
            self.contradictions.append(f"{request_id} was acknowledged and is unknown")
        elif status == "COMPLETED":
            self._complete.add(request_id)
        elif request_id in self._complete:
            self.contradictions.append(f"{request_id} was complete and is {status}")


def now_s() -> float:
    """Epoch seconds, as in the logs of requests."""
    return time.time()
