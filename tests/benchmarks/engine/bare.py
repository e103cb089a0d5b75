"""The pipeline without any server, driven from here: the rate and the latency that all servers are held against."""

import json
import statistics
import subprocess
import sys
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.engine.asks import Ask, Kind, Mix, ask_of
from benchmarks.engine.family import Family, environment, last_words, pinned
from benchmarks.engine.ledger import VARIABLE

BATCH = 8
_LOOP = Path(__file__).with_name("bare_loop.py")
_ALONE_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Rate:
    """Pictures per second, and CPU milliseconds of each."""

    per_s: float
    cpu_ms: float


class Bare:
    """The bare loop in a process of its own on one core; between orders it waits and uses nothing."""

    def __init__(self, *, core: int, folder: Path) -> None:
        variables = environment(folder, **{VARIABLE: str(folder / "bare.ledger")})
        self._log = folder / "bare.log"
        with pinned(core), self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(_LOOP)], env=variables, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        self._family = Family(self._process.pid)
        self._read()

    def draw(self, asks: Sequence[Ask]) -> tuple[list[bytes], float]:
        """The files of the asks, each kind drawn as one batch, and the milliseconds that it took."""
        answer = self._order({"draw": [ask.as_json() for ask in asks]})
        return [b64decode(file) for file in answer["files"]], 1000 * answer["seconds"]

    def alone_ms(self, kind: Kind) -> float:
        """Median latency of one picture of that kind, alone, in milliseconds."""
        return statistics.median(self.draw([ask_of(number, kind)])[1] for number in range(_ALONE_REPEATS))

    def rate(self, mix: Mix, *, seconds: float) -> Rate:
        """How fast the mix is drawn in batches of eight of one kind, kind after kind, for at least `seconds`."""
        batches = [[ask_of(number, kind).as_json() for number in range(BATCH)] for kind in mix.kinds]
        answer = self._order({"rate": batches, "seconds": seconds})
        return Rate(answer["pictures"] / answer["seconds"], 1000 * answer["cpu_s"] / answer["pictures"])

    def stop(self) -> None:
        """End the process."""
        self._family.stop()

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the bare loop has ended; its log ends\n{last_words(self._log)}")
        answer: dict[str, Any] = json.loads(line)
        return answer
