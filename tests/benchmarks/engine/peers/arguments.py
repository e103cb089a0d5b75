"""What every server is started with."""

import argparse


def port() -> int:
    """The port to listen on, from `--port`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    return int(parser.parse_args().port)
