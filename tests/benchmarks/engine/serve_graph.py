"""The whole of Darkroom as it is deployed, gateway, router and engine each in a process of Ray Serve, on `--port`."""

import os
import signal
import sys

from benchmarks.engine.asks import MIXED_SHAPES
from benchmarks.engine.peers.arguments import port
from serving import serving


def main() -> None:
    """Serve until told to stop."""
    # Below the benchmark's folder the paths of HAProxy's sockets would be too long.
    os.environ.pop("TMPDIR", None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sizes = [list(kind[:2]) for kind in MIXED_SHAPES.kinds]
    with serving({"server": {"port": port()}, "variants": {"sketch": {"native_sizes": sizes}}}):
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
