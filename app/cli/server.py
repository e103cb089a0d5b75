"""A server process: started apart from the terminal, watched until it is warm, stopped with all that it started."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import psutil

from app.cli import processes
from app.errors import ConfigurationError

LAST_WORDS = 30
POLL_S = 0.25
WATCH_S = 2.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the start-up that began, as the server itself reported it."""

    name: str
    facts: dict[str, Any] = field(default_factory=dict)


class Server:
    """One server process and its family.

    It runs in a session of its own, so that Ctrl-C in the terminal reaches only us and the
    server can be stopped in order, and so that it can outlive us; what it prints goes to `log`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        url: str,
        environment: Mapping[str, str],
        log: Path,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._trust = True if trust is None else trust
        self._log = log
        self._read = 0
        self._process = psutil.Process(_spawn(command, environment=environment, log=log))
        self._family = [self._process]

    @property
    def family(self) -> list[psutil.Process]:
        """The server and everything that it started and that still lives, itself first, dead or alive.

        Those whose parents have died are known from before.
        """
        seen = {self._process: None} | dict.fromkeys([*processes.family(self._process.pid), *self._family])
        self._family = [self._process, *filter(processes.is_alive, list(seen)[1:])]
        return self._family

    async def starting(self) -> AsyncIterator[Stage]:
        """The stages as they begin; ends when the server answers that it is ready.

        Raises ConfigurationError with the server's last words when it ends before that.
        """
        async with httpx.AsyncClient(base_url=self._url, verify=self._trust) as client:
            while not await _is_ready(client):
                self._check()
                for stage in self._new_stages():
                    yield stage
                await asyncio.sleep(POLL_S)
        for stage in self._new_stages():
            yield stage

    async def ended(self) -> None:
        """Returns never, unless the server ends by itself: then raises ConfigurationError with its last words."""
        while True:
            self._check()
            await asyncio.sleep(WATCH_S)

    def stop(self) -> None:
        """Stop the server and everything that it started."""
        processes.stop(self.family)
        self._status()

    def _check(self) -> None:
        """Raise when the server has ended; otherwise note its family, which is past finding once it has."""
        if self.family and (status := self._status()) is not None:
            raise ConfigurationError(f"the server ended with status {status}: {self._reason()}")

    def _status(self) -> int | None:
        """How the server ended; None while it runs."""
        try:
            return cast(int, self._process.wait(timeout=0))
        except psutil.TimeoutExpired:
            return None

    def _reason(self) -> str:
        failures = [stage.facts["detail"] for stage in self._new_stages() if "detail" in stage.facts]
        return failures[-1] if failures else f"its last words, of all in {self._log}, are\n{self._last_words()}"

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LAST_WORDS:])

    def _new_stages(self) -> list[Stage]:
        with self._log.open("rb") as log:
            log.seek(self._read)
            whole_lines = log.read().rpartition(b"\n")[0]
        self._read += len(whole_lines)
        found = (_stage(line) for line in whole_lines.splitlines())
        return [stage for stage in found if stage is not None]


def _spawn(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
    """Start a process in a session of its own; Popen would insist on being waited for."""
    output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    quiet = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    files = [quiet, output, (os.POSIX_SPAWN_DUP2, 1, 2)]
    return os.posix_spawn(command[0], [*command], os.environ | environment, file_actions=files, setsid=True)


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        answer = await client.get("/ready")
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK


def _stage(line: bytes) -> Stage | None:
    try:
        facts = json.loads(line)
    except ValueError:
        return None
    if not isinstance(facts, dict) or "stage" not in facts:
        return None
    return Stage(name=str(facts.pop("stage")), facts=facts)
