"""What a stream of requests is like."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The properties of a stream. Where no source is named, the value is an assumption of ours; all can be set.

    `requests_per_s` is the mean rate; over a day of `day_s` it swings so that the highest rate is `peak_to_trough`
    times the lowest. `prompts` is how many prompts are in use at once, with popularities of a Zipf law with exponent
    `zipf`, between the 0.6 and 1.0 that are usual for web objects (L. Breslau et al., "Web caching and Zipf-like
    distributions", INFOCOM 1999); each is replaced by another after `topic_life_s`, at a time of its own.

    A session has `session_length` requests in the mean, geometrically, `think_s` seconds apart. Its steps change the
    prompt with the `changes` shares: the same again for another picture, a detail more or less, another attribute or
    arrangement, other words, or something new. DiffusionDB (Z. J. Wang et al., ACL 2023, arXiv 2210.14896) has 14
    million pictures of 1.8 million prompts: most repetitions are re-rolls.

    `explicit_seeds` is the share of sessions that name their seeds, of which `favourite_seeds` use one that is popular.
    `tenants` share the traffic by a Zipf law with exponent 1. Every `crowd_every_s` seconds in the mean a crowd comes:
    for `crowd_s` seconds, callers ask for one prompt at `crowd_rate` times the mean rate.
    """

    requests_per_s: float = 0.25
    day_s: float = 8000.0
    peak_to_trough: float = 3.0
    prompts: int = 100_000
    zipf: float = 0.8
    topic_life_s: float = 20_000.0
    session_length: float = 5.0
    think_s: float = 60.0
    changes: tuple[float, float, float, float, float] = (0.35, 0.35, 0.15, 0.10, 0.05)
    explicit_seeds: float = 0.3
    favourite_seeds: float = 0.5
    tenants: int = 5
    crowd_every_s: float = 14_400.0
    crowd_s: float = 60.0
    crowd_rate: float = 10.0
