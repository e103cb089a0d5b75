"""A stand-in for `deployments.serve`: the same stages and the same /ready, without Ray.

    python fake_darkroom.py warm|broken|stubborn CONFIG [--certificate FILE --key FILE] [--tunnel-port PORT]

`warm` serves until it is asked to stop, `broken` reports a failure and ends, `stubborn`
cannot be asked. Each starts a child process of its own, as Ray does.
"""

import json
import signal
import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import yaml


class Ready(BaseHTTPRequestHandler):
    """Answers every GET with 200."""

    def do_GET(self) -> None:
        """Say that everything is warm."""
        self.send_response(200)
        self.end_headers()


def say(stage: str, **facts: object) -> None:
    """Report a stage as the real server does."""
    sys.stdout.write(json.dumps({"stage": stage, **facts}) + "\n")
    sys.stdout.flush()


def main(mode: str, config: Path, options: list[str]) -> int:
    """Behave as the mode says."""
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    say("ray", child=child.pid)
    if mode == "broken":
        say("failed", detail="the model does not load")
        return 1
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    port = yaml.safe_load(config.read_text(encoding="utf-8"))["server"]["port"]
    server = HTTPServer(("127.0.0.1", port), Ready)
    if "--certificate" in options:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options[options.index("--certificate") + 1], options[options.index("--key") + 1])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
