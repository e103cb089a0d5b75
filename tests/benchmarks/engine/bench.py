"""Darkroom's engine beside other servers: the same pipeline behind each, all on one core, the client on another.

    make bench-engine                       everything, five repetitions; hours
    make bench-engine FLAGS=--quick         everything once, in some minutes
    make bench-engine FLAGS="--only uniform hits --servers darkroom litserve --json out.json --markdown out.md"

In each repetition all servers are started, then take turns phase by phase; who has no turn is halted. Each number is
the median of the repetitions, with the least and the most. Peers are installed into environments of their own, once.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import uvloop
from benchmarks.engine.phases import PHASES
from benchmarks.engine.report import WIDTH, machine, markdown, print_report, write_json
from benchmarks.engine.servers import OURS, SERVERS, Entry
from benchmarks.engine.session import Session
from benchmarks.engine.summary import Summary, verdicts
from benchmarks.engine.turn import QUICK, Extent
from rich.console import Console


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    server_core, client_core = arguments.cores
    os.sched_setaffinity(0, {client_core})
    console = Console(width=WIDTH)
    console.print(f"{machine()}; servers on core {server_core}, client on core {client_core}")
    started_s = perf_counter()
    # A socket's path may not be long, and Ray's are in here.
    with tempfile.TemporaryDirectory(prefix="eb-", ignore_cleanup_errors=True) as folder:
        session = Session(
            extent=_extent(arguments), phases=[each for each in PHASES if each.name.startswith(tuple(arguments.only))],
            server_core=server_core, folder=Path(folder), console=console,
        )  # fmt: skip
        try:
            for entries in _companies(arguments):
                uvloop.run(session.run(entries))
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.print("[red]stopped before the end; what there is follows")
        finally:
            _report(arguments, console, session)
    console.print(f"measured in {(perf_counter() - started_s) / 60:.1f} minutes; restarts: {session.restarts}")


def _arguments() -> argparse.Namespace:
    names, phases = [each.name for each in SERVERS], ", ".join(each.name for each in PHASES)
    compared = [each.name for each in SERVERS if not each.on_request]
    cores = sorted(os.sched_getaffinity(0))[:2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="all phases once, in short windows")
    add("--repeats", type=int, help="repetitions, each with servers started anew")
    add("--window", type=float, help="seconds of a window, without its warm-up")
    add("--seeds", type=int, help="seeds of the Poisson arrivals")
    add("--only", nargs="+", metavar="PHASE", default=[""], help=f"phases that begin so: {phases}")
    add("--servers", nargs="+", choices=names, default=compared, help="servers")
    add("--graph", action="store_true", help="also all of Darkroom on Ray Serve, by itself at the end")
    add("--cores", type=int, nargs=2, default=cores, metavar=("SERVER", "CLIENT"), help="cores of servers and client")
    add("--json", type=Path, help="write every number there")
    add("--markdown", type=Path, help="write the tables there")
    arguments = parser.parse_args()
    if len(arguments.cores) < 2:
        parser.error("two cores are needed: one for the servers, one for the client")
    return arguments


def _extent(arguments: argparse.Namespace) -> Extent:
    extent = QUICK if arguments.quick else Extent()
    asked = {"repeats": arguments.repeats, "window_s": arguments.window, "seeds": arguments.seeds}
    return replace(extent, **{name: value for name, value in asked.items() if value is not None})


def _companies(arguments: argparse.Namespace) -> list[list[Entry]]:
    """Who runs together: our own graph by itself, because two Rays would share the machine's."""
    asked = [each for each in SERVERS if each.name in arguments.servers and not each.on_request]
    graphs = [each for each in SERVERS if each.on_request and (arguments.graph or each.name in arguments.servers)]
    return [company for company in (asked, graphs) if company]


def _report(arguments: argparse.Namespace, console: Console, session: Session) -> None:
    names = _measured(session)
    summary = Summary(session.records)
    peers = [each.name for each in SERVERS if each.is_peer and each.name in names]
    found = verdicts(summary, ours=OURS, peers=peers)
    print_report(console, summary, servers=names, found=found)
    if alone := [each.name for each in SERVERS if each.on_request and each.name in names]:
        console.print(f"{', '.join(alone)}: measured alone, after the others, beside a bare loop of its own")
    if arguments.json:
        write_json(
            arguments.json, session, settings={key: str(value) for key, value in vars(arguments).items()}, found=found
        )
    if arguments.markdown:
        arguments.markdown.write_text(markdown(summary, servers=names, found=found), encoding="utf-8")


def _measured(session: Session) -> Sequence[str]:
    seen = {record.server for record in session.records}
    return [each.name for each in SERVERS if each.name in seen]


if __name__ == "__main__":
    main()
