"""What caches save, and what they get wrong: policies beside each other on one stream, with pictures really drawn.

    make bench-cache FLAGS="--requests 1500 --steps 28"

The stream is that of `app/simulation/workload`, over the built-in model's scenes. The first variant of
configs/local.yaml draws; its judge says of every picture that is served whether it shows what was asked for. Pictures
are drawn one after the other on one device, whose times are those of this machine, measured by the engine's cost model
and stretched so that drawing everything takes `--load` of the time. How late pictures may begin is measured before, on
a stream of its own. Drawings stay in `--folder`, so that a second run is short.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from benchmarks.cache.replaying.artist import BuiltinArtist
from benchmarks.cache.replaying.calibration import calibrated, floors_of, pairs_of, tried_pairs
from benchmarks.cache.replaying.costs import measured_costs
from benchmarks.cache.replaying.report import judge_errors, resumed_errors, table, wrong_by_level
from rich.console import Console
from rich.progress import Progress, track

from app.cache.earned import EarningRule
from app.cache.similar import SimilarityPolicy
from app.cache.trajectories import Losses, ResumeRule, TrajectoryShelf
from app.cache_levels import CacheLimit
from app.config import load_settings
from app.inference.loader import load_variant
from app.simulation.replay import DeviceCosts, Outcome, Policy, replay
from app.simulation.replay.policies import (
    ApproximateCache,
    GreedyDualSize,
    KeyedCache,
    LeastFrequent,
    LeastRecent,
    NoCache,
    Ours,
    QueueDemotion,
    ThresholdCache,
)  # fmt: skip
from app.simulation.workload import Ask, Workload, stream

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "local.yaml"
FLOORS = (0.98, 0.999)
SHARES = (1 / 7, 1 / 4, 5 / 14, 1 / 2, 9 / 14, 11 / 14)
CALIBRATION_SEED = 1000
LATE = ("trajectories", "together")
LIMIT = 0.01
TRIALS = 100
MAX_LOSS = 0.03  # of the pictures that begin late, which are two of three or fewer


def policies(
    artist: BuiltinArtist, options: argparse.Namespace, late: Callable[[], TrajectoryShelf]
) -> Iterator[Policy]:
    """Everybody, in the order of the table; the first has no cache."""
    kept = ResumeRule(floors=(), shares=SHARES).kept_steps(artist.steps)
    yield NoCache()
    for eviction in (LeastRecent(), LeastFrequent(), QueueDemotion(), GreedyDualSize()):
        yield KeyedCache(eviction, max_bytes=int(options.room_mb * 1e6))
    yield ThresholdCache("like GPTCache", artist=artist, threshold=0.80, max_entries=1000)
    yield ThresholdCache("like RedisVL", artist=artist, threshold=0.90)
    yield ApproximateCache("like NIRVANA", artist=artist, kept_steps=kept, renoised=False)
    yield ApproximateCache("like MoDM", artist=artist, kept_steps=kept, renoised=True)
    yield from ours(artist, options.requests, late)


def ours(artist: BuiltinArtist, requests: int, late: Callable[[], TrajectoryShelf]) -> Iterator[Policy]:
    """Ours, a level more each time, trajectories alone, and all together."""
    rule = EarningRule(max_false_hit_rate=LIMIT, alpha=0.05 / len(FLOORS))
    similarity = SimilarityPolicy(floors=FLOORS, rule=rule)

    def level(name: str, limit: CacheLimit, shelf: TrajectoryShelf | None = None) -> Ours:
        draw = random.Random(0).random
        return Ours(
            f"ours: {name}", artist=artist, limit=limit, max_entries=2 * requests, similarity=similarity, shelf=shelf,
            draw=draw,
        )  # fmt: skip

    yield level("exact", CacheLimit.EXACT)
    yield level("to canonical", CacheLimit.CANONICAL)
    yield level("to similar, at most 1 % wrong", CacheLimit.SIMILAR)
    yield level("trajectories alone", CacheLimit.OFF, late())
    yield level("all together", CacheLimit.SIMILAR, late())


def calibration(artist: BuiltinArtist, requests: int) -> tuple[ResumeRule, Losses]:
    """What is lost at each band of similarity and share of the steps."""
    asks = stream(Workload(), seed=CALIBRATION_SEED, requests=requests)
    pairs = list(pairs_of(asks, artist))
    if not pairs:
        return ResumeRule(floors=(), shares=_distinct_shares(artist.steps)), Losses()
    rule = ResumeRule(floors=floors_of(pairs), shares=_distinct_shares(artist.steps), max_loss=MAX_LOSS)
    losses = Losses()
    chosen = [pair for band in tried_pairs(rule, pairs, TRIALS) for pair in band]
    wanted = [(pair.donor.prompt, pair.donor.drawn_seed) for pair in chosen]
    _show(artist.draw_all(wanted), len(set(wanted)), "calibration, from noise")
    with Progress(console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("calibration, from further on", total=len(rule.floors) * len(SHARES) * TRIALS)
        for tried_so_far in calibrated(rule, pairs, artist, tries=TRIALS):
            losses = tried_so_far
            progress.advance(task)
    return rule, losses


def replayed(policy: Policy, asks: Sequence[Ask], artist: BuiltinArtist, costs: DeviceCosts) -> Outcome:
    """What the policy made of the stream."""
    with Progress(console=Console(file=sys.stderr)) as progress:
        task = progress.add_task(policy.name, total=len(asks))
        run = replay(
            asks, policy, artist=artist, costs=costs, progress=lambda count: progress.update(task, completed=count)
        )
        return asyncio.run(run)


def main() -> None:
    """Draw, replay and print."""
    options = _options()
    torch.set_num_threads(1)
    name, variant = next(iter(load_settings(CONFIG).variants.items()))
    pipeline = load_variant(variant.model_copy(update={"device": "cpu"})).pipeline
    kept = ResumeRule(floors=(), shares=SHARES).kept_steps(options.steps)
    artist = BuiltinArtist(
        pipeline, variant=name, steps=options.steps, kept_steps=kept, folder=options.folder, encoder=options.encoder
    )
    asks = stream(Workload(tenants=options.tenants), seed=options.seed, requests=options.requests)
    wanted = [(ask.prompt, ask.drawn_seed) for ask in asks]
    _show(artist.draw_all(wanted), len(set(wanted)), "from noise")
    measured = measured_costs(pipeline, artist)
    costs = measured.slowed(options.load * asks[-1].arrival_s / (len(asks) * measured.picture_s()))
    is_late_wanted = not options.only or any(word in LATE for word in options.only)
    rule, losses = calibration(artist, options.calibration if is_late_wanted else 0)

    def late() -> TrajectoryShelf:
        return TrajectoryShelf(dimensions=artist.dimensions, rule=rule, losses=losses, max_entries=2 * options.requests)

    everybody = [policy for policy in policies(artist, options, late) if _is_wanted(policy, options.only)]
    outcomes = [replayed(policy, asks, artist, costs) for policy in everybody]
    _print(options, measured, costs, rule, losses, everybody, outcomes)
    numbers, files = artist.latents_per_picture()
    print(f"Latents after {len(kept)} steps: {numbers:,} bytes, {files:,} in files, {1 - files / numbers:.1%} less.")


def _print(
    options: argparse.Namespace,
    measured: DeviceCosts,
    costs: DeviceCosts,
    rule: ResumeRule,
    losses: Losses,
    everybody: Sequence[Policy],
    outcomes: Sequence[Outcome],
) -> None:
    print(
        f"{options.requests} requests of {options.tenants} tenants; {options.steps} steps; encoder: {options.encoder}."
    )
    print(
        f"A picture takes {1000 * measured.picture_s():.0f} ms here, of which a step {1000 * measured.step_s:.1f} ms, "
        f"and {costs.picture_s():.2f} s on the replay's device; a look-up by key {1e6 * costs.exact_s:.0f} us, by "
        f"similarity {1000 * costs.similar_s:.1f} ms.\n"
    )
    print(table(outcomes), "\n")
    print(f"Freshly drawn pictures judged wrong: {judge_errors(outcomes[0])}.")
    for policy, outcome in zip(everybody, outcomes, strict=True):
        if late := resumed_errors(outcome):
            print(f"{policy.name}: of the pictures that began late, judged wrong: {late}.")
    for policy, outcome in zip(everybody, outcomes, strict=True):
        if isinstance(policy, Ours):
            audits = policy.audits
            print(f"{policy.name}: judged wrong, by level: {wrong_by_level(outcome)}")
            if audits.shadow or audits.served:
                print(
                    f"{policy.name}: audits in shadow {audits.shadow.total()}, wrong {audits.shadow[False]}; of hits, "
                    f"before they were served, {audits.served.total()}, wrong {audits.served[False]}"
                )
    print(
        f"\nLate beginnings: at most {rule.max_loss:.0%} judged worse. Tried (worse), by similarity and steps skipped:"
    )
    for band, floor in enumerate(rule.floors):
        tried = [losses.at(band, place) for place in range(len(rule.shares))]
        cells = [f"{share:.0%}: {each.tries} ({each.worse})" for share, each in zip(rule.shares, tried, strict=True)]
        print(f"from {floor:.4f}: {', '.join(cells)}; allowed {rule.allowed_share(floor, losses):.0%}")


def _distinct_shares(steps: int) -> tuple[float, ...]:
    """One share for each step that is kept."""
    return tuple(step / steps for step in ResumeRule(floors=(), shares=SHARES).kept_steps(steps))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--only", nargs="*", default=[], help="words of the policies that are compared with `none`")
    parser.add_argument("--tenants", type=int, default=5)
    parser.add_argument("--encoder", choices=("pooled", "tokens"), default="pooled")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load", type=float, default=0.6)
    parser.add_argument("--room-mb", type=float, default=0.5, help="room of the caches by key, for pictures")
    parser.add_argument("--calibration", type=int, default=1500, help="requests of the stream that is tried on before")
    parser.add_argument("--folder", type=Path, default=Path("~/.cache/darkroom/replay").expanduser())
    return parser.parse_args()


def _is_wanted(policy: Policy, words: Sequence[str]) -> bool:
    return not words or isinstance(policy, NoCache) or any(word in policy.name for word in words)


def _show(steps: Iterator[int], total: int, label: str) -> None:
    for _ in track(steps, description=label, total=total, console=Console(file=sys.stderr)):
        pass


if __name__ == "__main__":
    main()
