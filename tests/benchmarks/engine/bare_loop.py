"""The pipeline in a loop without any server: a process that draws what it is told to on stdin, one JSON line each.

{"draw": [ask, …]}                      -> {"files": [base64, …], "seconds": s}
{"rate": [[ask, …], …], "seconds": s}   -> {"pictures": n, "seconds": s, "cpu_s": s}, whole rounds only
"""

import json
import os
import sys
from base64 import b64encode
from time import perf_counter, process_time
from typing import Any

from benchmarks.engine.asks import Ask
from benchmarks.engine.pipeline import Artist, load_artist


def main() -> None:
    """Answer until stdin ends; whatever a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    artist = load_artist()
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        print(json.dumps(_answer(artist, json.loads(line))), file=answers)


def _answer(artist: Artist, order: dict[str, Any]) -> dict[str, Any]:
    if "draw" in order:
        return _draw(artist, [Ask(**each) for each in order["draw"]])
    batches = [[Ask(**each) for each in batch] for batch in order["rate"]]
    return _rate(artist, batches, seconds=order["seconds"])


def _draw(artist: Artist, asks: list[Ask]) -> dict[str, Any]:
    started_s = perf_counter()
    files = artist.draw(asks)
    seconds = perf_counter() - started_s
    return {"files": [b64encode(file).decode() for file in files], "seconds": seconds}


def _rate(artist: Artist, batches: list[list[Ask]], *, seconds: float) -> dict[str, Any]:
    pictures, started_s, cpu_started_s = 0, perf_counter(), process_time()
    while perf_counter() - started_s < seconds:
        pictures += sum(len(artist.draw(batch)) for batch in batches)
    return {"pictures": pictures, "seconds": perf_counter() - started_s, "cpu_s": process_time() - cpu_started_s}


if __name__ == "__main__":
    main()
