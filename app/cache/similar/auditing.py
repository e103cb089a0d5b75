"""What similarity would be worth among the prompts that are stored: each is asked as if it were new."""

from collections.abc import Awaitable, Callable
from itertools import islice

from app.cache.earned.bounds import upper_bound
from app.cache.similar.ports import BandAudit
from app.cache.similar.question import Namespace
from app.cache.similar.shard import Nomination, Shard, first_candidate

Nominate = Callable[[Shard, str], Awaitable[tuple[Nomination, ...]]]
Verdict = Callable[[str, str], Awaitable[bool | None]]


async def audited(
    namespace: Namespace, shard: Shard, *, nominate: Nominate, verdict: Verdict, most: int
) -> list[BandAudit]:
    """The audits of every band; for each stored prompt the nearest other entry is judged, as long as `most` allows."""
    judged, wrong = [0] * len(shard.policy.floors), [0] * len(shard.policy.floors)
    for entry in islice(shard.entries, most):
        nominations = await nominate(shard, entry.prompt)
        nominee = first_candidate(tuple(each for each in nominations if each.entry.prompt != entry.prompt))
        if nominee is None or nominee.band is None:
            continue
        is_right = await verdict(nominee.entry.picture.blob_key, entry.prompt)
        if is_right is not None:
            judged[nominee.band] += 1
            wrong[nominee.band] += not is_right
    rule = shard.policy.rule
    return [
        BandAudit(
            namespace=namespace.name,
            floor=floor,
            judged=judged[band],
            wrong=wrong[band],
            bound=rule.judge.corrected(upper_bound(wrong[band], judged[band], alpha=rule.alpha)),
        )
        for band, floor in enumerate(shard.policy.floors)
    ]
