"""Does one replica serve the most urgent job first, and is it ever idle while jobs wait?

    python tests/benchmarks/graph_scheduling.py

Thirty-two concurrent clients with mixed priorities send requests for one shape to a real
server with one replica. The spans that the server itself exports tell when each job was
queued and dispatched and when the engine worked. Printed: order inversions (a job was
dispatched while a more urgent one was waiting) and the busy share of the engine between
the first and the last piece of work.
"""

import asyncio
import random
from collections.abc import Iterable

import httpx
from otlp import ReceivedSpan, Receiver, receiving
from rich.console import Console
from rich.table import Table
from serving import serving

from app.config import RoutingSettings

CLIENTS = 32
REQUESTS_PER_CLIENT = 4
VARIANT = "sketch"
ENGINE_SPANS = ("encode", "step", "decode")
OBJECTIVE_S = RoutingSettings().objective_s


def main() -> None:
    """Run the load and print what the spans say."""
    with receiving() as receiver:
        with serving({"telemetry": {"otlp_endpoint": receiver.endpoint}}) as server:
            tiers = asyncio.run(_load(server.url))
            receiver.wait_until(lambda spans: _waits(spans) > len(tiers))
        _print(receiver, tiers)


async def _load(url: str) -> dict[str, str]:
    """Tier by request id, for every request that was answered."""
    chance = random.Random(7)
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:
        await _draw(client, 0, "normal")
        plans = [[chance.choice(("run", "normal", "low")) for _ in range(REQUESTS_PER_CLIENT)] for _ in range(CLIENTS)]
        answers = await asyncio.gather(*(_client(client, number, plan) for number, plan in enumerate(plans)))
    return {request_id: tier for each in answers for request_id, tier in each.items()}


async def _client(client: httpx.AsyncClient, number: int, plan: list[str]) -> dict[str, str]:
    return {await _draw(client, 1 + number * 100 + turn, tier): tier for turn, tier in enumerate(plan)}


async def _draw(client: httpx.AsyncClient, seed: int, tier: str) -> str:
    arguments = {"prompt": "a red circle", "image_size": {"width": 64, "height": 64}, "seed": seed}
    if tier == "run":
        answer = await client.post("/run/fal-ai/flux/schnell", json=arguments)
        answer.raise_for_status()
        return answer.headers["x-fal-request-id"]
    headers = {"x-fal-queue-priority": tier}
    submitted = await client.post("/queue/fal-ai/flux/schnell", json=arguments, headers=headers)
    request = submitted.raise_for_status().json()
    (await client.get(request["status_url"] + "/stream")).raise_for_status()
    return request["request_id"]


def _waits(spans: Iterable[ReceivedSpan]) -> int:
    return sum(span.name == "queue" for span in spans)


def _print(receiver: Receiver, tiers: dict[str, str]) -> None:
    waits = [span for span in receiver.spans("queue") if _request(span) in tiers]
    job_ids = {span.attributes["job_id"] for span in waits}
    work = [span for name in ENGINE_SPANS for span in receiver.spans(name) if span.attributes["job_id"] in job_ids]
    table = Table("tier", "jobs", "median wait ms", title="One replica, 32 clients, one shape")
    for tier in ("run", "normal", "low"):
        of_tier = sorted(span.ended_s - span.started_s for span in waits if tiers[_request(span)] == tier)
        table.add_row(tier, str(len(of_tier)), f"{1000 * of_tier[len(of_tier) // 2]:.0f}")
    console = Console(width=120)
    console.print(table)
    console.print(f"jobs: {len(waits)}; order inversions: {_inversions(waits, tiers)}; engine busy: {_busy(work):.1%}")


def _inversions(waits: list[ReceivedSpan], tiers: dict[str, str]) -> int:
    """Pairs in which the less urgent job was dispatched while the more urgent one was already waiting."""
    objective = {"run": "interactive", "normal": "standard", "low": "batch"}

    def deadline_s(span: ReceivedSpan) -> float:
        return span.started_s + OBJECTIVE_S[objective[tiers[_request(span)]]]  # type: ignore[index]

    return sum(
        later.started_s < first.ended_s < later.ended_s and deadline_s(later) < deadline_s(first)
        for first in waits
        for later in waits
    )


def _busy(work: Iterable[ReceivedSpan]) -> float:
    """The share of the time from the first to the last piece of work that some work covers."""
    spans = sorted((span.started_s, span.ended_s) for span in work)
    covered, reached = 0.0, spans[0][0]
    for started_s, ended_s in spans:
        covered += max(0.0, ended_s - max(started_s, reached))
        reached = max(reached, ended_s)
    return covered / (reached - spans[0][0])


def _request(span: ReceivedSpan) -> str:
    return str(span.attributes["job_id"]).rpartition(".")[0]


if __name__ == "__main__":
    main()
