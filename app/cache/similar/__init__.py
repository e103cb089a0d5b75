"""Pictures of similar prompts: nominated by an index, vetted by rules, judged, and served only where that was earned.

A namespace holds what one tenant asked of one revision of a model with one set of parameters, so that entries differ in
their prompts alone. Its nominees fall into bands of similarity, and each band earns the right to serve by itself: what
is nearly the same prompt need not wait for what is further away, nor answer for it.
"""

from app.cache.similar.batching import BatchedEncoder
from app.cache.similar.cache import SimilarCache
from app.cache.similar.encoding import Encoder
from app.cache.similar.policy import Action, SimilarityPolicy
from app.cache.similar.question import Namespace, SimilarQuestion
from app.cache.similar.shard import Entry, Nomination, Shard
from app.cache.similar.verifier import refusal

__all__ = [
    "Action",
    "BatchedEncoder",
    "Encoder",
    "Entry",
    "Namespace",
    "Nomination",
    "Shard",
    "SimilarCache",
    "SimilarQuestion",
    "SimilarityPolicy",
    "refusal",
]
