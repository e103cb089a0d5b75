"""Servers that this user started: begun from a configuration, remembered while in the background, ended whole."""

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.cli import processes
from app.cli.environment import is_free, local_url, ray_environment
from app.cli.security import Security
from app.cli.server import Server
from app.config import DarkroomSettings
from app.errors import ConfigurationError

HOME = Path("~/.cache/darkroom/run")
TEMPORARY = Path("/tmp")
SERVE = (sys.executable, "-m", "deployments.serve", "--config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is kept about a server in the background; `created_s` tells it from a later process with its id."""

    pid: int
    created_s: float
    folder: str


class Session:
    """One running server and the folder of its temporary files."""

    def __init__(self, server: Server, *, url: str, folder: Path, memory: Path) -> None:
        self.server = server
        self.url = url
        self.folder = folder
        self._memory = memory

    def remember(self) -> None:
        """Let a later command find the server."""
        process = self.server.family[0]
        memory = Memory(pid=process.pid, created_s=process.create_time(), folder=str(self.folder))
        self._memory.write_text(json.dumps(asdict(memory)), encoding="utf-8")

    def end(self, *, keep_logs: bool) -> None:
        """Stop everything that was started; Ray's logs stay only when asked for."""
        self.server.stop()
        if not keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """Begins and stops servers.

    What has to be remembered lies in the folder `home`, by HTTP port; what Ray and HAProxy
    write, in new folders below `temporary`.
    """

    def __init__(self, home: Path = HOME, *, temporary: Path = TEMPORARY, command: Sequence[str] = SERVE) -> None:
        self._home = home.expanduser()
        self._temporary = temporary
        self._command = command

    def begin(self, config: Path, settings: DarkroomSettings, security: Security | None = None) -> Session:
        """Start the server of a configuration; raises ConfigurationError when its port or the tunnel's is taken."""
        port = settings.server.port
        if not is_free(port):
            raise ConfigurationError(f"port {port} is taken; stop what listens there or change server.port")
        if security is not None and security.tunnel_port is not None and not is_free(security.tunnel_port):
            raise ConfigurationError(f"port {security.tunnel_port} is taken; name another --tunnel-port")
        self._home.mkdir(parents=True, exist_ok=True)
        folder = self._temporary_folder()
        url = local_url(settings.server, secure=security is not None)
        server = Server(
            [*self._command, str(config.resolve()), *(security.arguments if security is not None else ())],
            url=url,
            environment=ray_environment(settings.server, folder=folder, secure=security is not None),
            log=self._home / f"{port}.log",
            trust=None if security is None else security.trust,
        )
        return Session(server, url=url, folder=folder, memory=self._memory_of(port))

    def stop(self, port: int) -> bool:
        """Stop the server in the background on that port; false when there is none."""
        memory = self._recall(port)
        if memory is None:
            return False
        family = processes.family(memory.pid)
        found = bool(family) and family[0].create_time() == memory.created_s
        if found:
            processes.stop(family)
        shutil.rmtree(memory.folder, ignore_errors=True)
        self._memory_of(port).unlink(missing_ok=True)
        return found

    def _temporary_folder(self) -> Path:
        """A new folder for Ray and HAProxy; its name is short, because HAProxy's sockets allow 97 characters."""
        folder = Path(tempfile.mkdtemp(prefix="darkroom-", dir=self._temporary))
        (folder / "ray").mkdir()
        return folder

    def _recall(self, port: int) -> Memory | None:
        try:
            return Memory(**json.loads(self._memory_of(port).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def _memory_of(self, port: int) -> Path:
        return self._home / f"{port}.json"
