"""The memory of prompt embeddings."""

from scripted_pipeline import ScriptedPipeline

from app.inference.embeddings import EmbeddingCache


def test_the_size_is_part_of_what_is_remembered() -> None:
    """The same words at another size are another embedding, since the model may see other words."""
    pipeline = ScriptedPipeline()
    cache = EmbeddingCache(pipeline)
    first = cache.encode("a", 64, 64)
    assert cache.encode("a", 64, 64) is first
    assert cache.encode("a", 64, 48) is not first


def test_the_least_recently_used_is_forgotten() -> None:
    """At most the given number is kept; use counts, not age."""
    pipeline = ScriptedPipeline()
    cache = EmbeddingCache(pipeline, max_entries=2)
    for prompt in ("a", "b", "a", "c", "a", "b"):
        cache.encode(prompt, 64, 64)
    assert pipeline.encoded == ["a", "b", "c", "b"]
