"""Prompt embeddings are computed once and never mixed up."""

from fakes import make_spec
from scripted_pipeline import ScriptedPipeline

from app.inference.embeddings import EmbeddingCache


def test_equal_keys_share_one_embedding() -> None:
    """What the pipeline calls equal is encoded once, in whichever of its pipelines; anything else on its own."""
    cache, first, second = EmbeddingCache(), ScriptedPipeline(), ScriptedPipeline()
    one = cache.embedding(first, make_spec(prompt="a dot", seed=1))
    again = cache.embedding(second, make_spec(prompt="a dot", seed=2))
    other = cache.embedding(first, make_spec(prompt="a line"))
    assert again is one
    assert other is not one
    assert (first.encoded, second.encoded) == (["a dot", "a line"], [])


def test_salts_share_nothing() -> None:
    """What was encoded for one tenant is encoded again for another, who cannot tell by the time that it was known."""
    cache, pipeline = EmbeddingCache(), ScriptedPipeline()
    for salt in ("one", "other", "one", "other"):
        cache.embedding(pipeline, make_spec(prompt="a dot"), salt=salt)
    assert pipeline.encoded == ["a dot", "a dot"]


def test_the_embedding_used_longest_ago_is_forgotten_first() -> None:
    """Memory stays bounded, and what is in use stays."""
    cache, pipeline = EmbeddingCache(max_entries=2), ScriptedPipeline()
    for prompt in ("a", "b", "a", "c", "a", "b"):
        cache.embedding(pipeline, make_spec(prompt=prompt))
    assert pipeline.encoded == ["a", "b", "c", "b"]
