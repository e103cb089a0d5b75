"""A real PostgreSQL server for tests and benchmarks: its own folder, a socket in it, ended with the block."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_S = 60.0


def server_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, as Debian or the PATH has it; None when no server is installed."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[-3].zfill(3))
    on_path = shutil.which("initdb")
    found = packaged[-1:] or ([Path(on_path)] if on_path else [])
    return found[0].parent if found else None


@contextmanager
def postgres(programs: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """The URL of a server that runs with these options (`fsync=off`) until the block is left."""
    # A socket's path may not be long, so the folder is not below the test's own.
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        account = _account()
        if account is not None:
            shutil.chown(folder, account)
        _run_initdb(programs, folder / "data", account)
        command = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder), "-c", "listen_addresses="]
        chosen = [part for option in options for part in ("-c", option)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([*command, *chosen], stdout=log, stderr=log, user=account, cwd=folder)
        url = f"postgresql://postgres@/postgres?host={folder}"
        try:
            _until_ready(programs, folder, server)
            yield url
        finally:
            server.terminate()
            server.wait()


def _account() -> str | None:
    """The server refuses root, so root starts it as another user."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _run_initdb(programs: Path, data: Path, account: str | None) -> None:
    command = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"]
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(command, user=account, cwd=data.parent, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())


def _until_ready(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    command = [str(programs / "pg_isready"), "-q", "-h", str(folder)]
    give_up_s = time.monotonic() + START_S
    while subprocess.run(command, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > give_up_s:
            raise RuntimeError((folder / "log").read_text(encoding="utf-8"))
        time.sleep(0.05)
