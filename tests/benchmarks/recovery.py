"""How long does a cluster take to recover from a `kill -9` of each of its parts, under a stream of queued jobs?

    python tests/benchmarks/recovery.py [--rounds 3] [--store sqlite|postgres]

Each round is a server of its own: one gateway and one replica over SQLite, or two of each over a
PostgreSQL server, which has to be installed. A part is killed while jobs wait and are drawn. `next
completion` is the time until any job is complete, `backlog done` until all are that had been
acknowledged before the kill, `said so` until `/ready` told that something is missing, and `whole
again` until everything that was there before is back.
"""

import argparse
import os

from kill_rounds import Outcome, killed_in_turn, postgres_server, sqlite_server, times
from rich.console import Console

STORES = {"sqlite": sqlite_server, "postgres": postgres_server}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", choices=STORES, default="postgres")
    arguments = parser.parse_args()
    console = Console(width=110)
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    outcomes = [_round(arguments.store, number, console) for number in range(arguments.rounds)]
    console.print(times(outcomes, title=f"{arguments.store}, {arguments.rounds} rounds"))


def _round(store: str, number: int, console: Console) -> Outcome:
    with STORES[store]() as server:
        outcome = killed_in_turn(server)
    repeated = outcome.receiver.deliveries - outcome.receiver.requests
    console.print(
        f"round {number + 1}: {len(outcome.request_ids)} jobs, {len(outcome.completions_s)} completions, "
        f"{outcome.refusals} submits repeated, {repeated} webhooks delivered again with the same content"
    )
    return outcome


if __name__ == "__main__":
    main()
