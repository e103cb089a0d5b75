"""What is told about namespaces and nominees."""

from app.cache.earned import Standing
from app.cache.similar.policy import Action
from app.cache.similar.ports import BandRecord, Considered, NamespaceRecord
from app.cache.similar.question import Namespace
from app.cache.similar.shard import Nomination, Shard

_NEVER = 1.0  # a draw that asks for no audit beyond what every hit needs


def considered(namespace: Namespace, shard: Shard, nomination: Nomination, *, can_judge: bool) -> Considered:
    """What would become of a nominee, and why, where that is nothing."""
    action = shard.action(nomination, _NEVER) if can_judge else Action.REFUSE
    return Considered(
        namespace=namespace.name,
        entry=nomination.entry.key,
        prompt=nomination.entry.prompt,
        similarity=round(nomination.similarity, 4),
        action=action,
        reason=_reason(nomination, action, can_judge=can_judge),
    )


def namespace_record(namespace: Namespace, shard: Shard, *, is_ready: bool) -> NamespaceRecord:
    """What a namespace holds, and what each of its bands has shown."""
    return NamespaceRecord(
        namespace=namespace,
        entries=len(shard),
        memory_bytes=shard.memory_bytes,
        is_ready=is_ready,
        bands=tuple(_band_record(shard, floor, shard.standing(band)) for band, floor in enumerate(shard.policy.floors)),
    )


def _reason(nomination: Nomination, action: Action, *, can_judge: bool) -> str:
    if nomination.refused_because is not None:
        return nomination.refused_because
    if not can_judge:
        return "the judge cannot tell whether a picture shows this prompt"
    if action is Action.REFUSE:
        return "no wrong hit is allowed, so none can be earned"
    return "what is so similar is audited, and not served yet" if action is Action.SHADOW else ""


def _band_record(shard: Shard, floor: float, standing: Standing) -> BandRecord:
    return BandRecord(
        floor=floor,
        state=standing.state.value,
        audits=standing.audits,
        errors=standing.errors,
        bound=standing.bound(shard.policy.rule),
        hits=standing.hits,
        served_audits=standing.served_audits,
        served_errors=standing.served_errors,
    )
