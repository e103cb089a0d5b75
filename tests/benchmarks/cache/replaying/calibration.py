"""What is lost when pictures begin late, measured on a stream of its own before the replay."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from benchmarks.cache.replaying.artist import BuiltinArtist

from app.cache.index import GrowingIndex
from app.cache.trajectories import Losses, ResumeRule
from app.simulation.replay import Beginning
from app.simulation.workload import Ask

BANDS = 6


@dataclass(frozen=True, slots=True)
class Pair:
    """A request, the earlier one of its tenant with the most similar prompt, and the cosine between them."""

    ask: Ask
    donor: Ask
    similarity: float


def pairs_of(asks: Iterable[Ask], artist: BuiltinArtist) -> Iterator[Pair]:
    """The pairs that a cache would make of a stream, where no seed is named; each prompt counts once as a donor."""
    indexes: dict[str, GrowingIndex] = {}
    donors: dict[str, Ask] = {}
    for ask in asks:
        index = indexes.setdefault(ask.tenant, GrowingIndex(artist.dimensions))
        vector, key = artist.vector(ask.prompt), f"{ask.tenant} {ask.prompt}"
        nearest = index.nearest(vector, 1)
        if ask.seed is None and nearest:
            yield Pair(ask, donors[nearest[0].key], nearest[0].similarity)
        if key not in donors:
            donors[key] = ask
            index.put(key, vector)


def floors_of(pairs: Sequence[Pair]) -> tuple[float, ...]:
    """Cosines that divide the pairs into bands of equal size, as far as their similarities differ."""
    quantiles = np.quantile([pair.similarity for pair in pairs], np.arange(BANDS) / BANDS)
    # What is the same prompt differs from itself by rounding alone.
    return tuple(sorted({float(np.floor(value * 1e4) / 1e4) for value in quantiles}))


def tried_pairs(rule: ResumeRule, pairs: Sequence[Pair], tries: int) -> list[list[Pair]]:
    """The first pairs of every band."""
    by_band: list[list[Pair]] = [[] for _ in rule.floors]
    for pair in pairs:
        band = rule.band(pair.similarity)
        if band is not None and len(by_band[band]) < tries:
            by_band[band].append(pair)
    return by_band


def calibrated(rule: ResumeRule, pairs: Sequence[Pair], artist: BuiltinArtist, *, tries: int) -> Iterator[Losses]:
    """What was tried so far, after each picture; a share that is not allowed ends the trials of its band."""
    losses = Losses()
    for band, mine in enumerate(tried_pairs(rule, pairs, tries)):
        for place, step in enumerate(rule.kept_steps(artist.steps)):
            for pair in mine:
                losses = losses.after(band, place, worse=_is_worse(pair, step, artist))
                yield losses
                if not rule.allows(replace(losses.at(band, place), tries=tries)):
                    break
            if not rule.allows(losses.at(band, place)):
                break


def _is_worse(pair: Pair, step: int, artist: BuiltinArtist) -> bool:
    ask = pair.ask
    donor = artist.draw(pair.donor.prompt, pair.donor.drawn_seed)
    late = artist.draw(ask.prompt, ask.drawn_seed, Beginning(drawing=donor.key, step=step))
    if artist.shows(late.key, ask.prompt):
        return False
    return artist.shows(artist.draw(ask.prompt, ask.drawn_seed).key, ask.prompt)
