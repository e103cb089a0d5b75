"""Settings of a variant that must agree with each other, and with those of the variants beside it."""

from pathlib import Path

import pytest

from app.config import VariantSettings, load_settings
from app.config.variants import by_host
from app.errors import ConfigurationError


def variant(**settings: object) -> VariantSettings:
    """A variant with these settings."""
    return VariantSettings(source="builtin:sketch", **settings)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"step_cache": 0.05, "default_steps": 4}, r"step_cache 0\.05 with default_steps 4: .* 20 and more"),
        ({"batch_sizes": (2, 4)}, r"batch_sizes \(2, 4\) must rise from 1 to max_batch 8"),
        ({"batch_sizes": (1, 4, 2)}, "must rise"),
        ({"batch_sizes": (1, 2, 2)}, "must rise"),
        ({"batch_sizes": (1, 4, 16), "max_batch": 8}, r"\(1, 4, 16\) must rise from 1 to max_batch 8"),
        ({"quantization": "fp8", "dtype": "float32"}, "fp8 with dtype float32"),
        ({"compile": "default"}, "compile default without native_sizes"),
        ({"compile": "max-autotune", "native_sizes": ((64, 64),)}, "max-autotune with determinism strict"),
    ],
)
def test_what_cannot_be_had_together_is_refused_with_both_values(settings: dict, complaint: str) -> None:
    """A contradiction between two settings names both, with their values."""
    with pytest.raises(ValueError, match=complaint):
        variant(**settings)


def test_every_speed_up_can_be_had() -> None:
    """What does not contradict itself is accepted."""
    fast = variant(
        dtype="bfloat16", quantization="fp8", determinism="fast", attention="_native_cudnn", compile="max-autotune",
        native_sizes=((1024, 1024),), batch_sizes=(1, 2, 4), step_cache=0.05, default_steps=28, vae_tiling=True,
    )  # fmt: skip
    assert fast.formed_batch_sizes == (1, 2, 4)


def test_any_size_up_to_the_largest_may_be_formed_by_default() -> None:
    """Without batch sizes, every number of pictures up to max_batch is one."""
    assert variant(max_batch=3).formed_batch_sizes == (1, 2, 3)


@pytest.mark.parametrize(("determinism", "sizes"), [("fast", (1, 2, 4)), ("strict", (1, 2, 3, 4, 5, 6))])
def test_where_each_size_is_compiled_only_powers_of_two_are_formed(determinism: str, sizes: tuple[int, ...]) -> None:
    """Strict determinism steps compiled pictures one by one, so that any number of them will do."""
    compiled = variant(compile="default", native_sizes=((64, 64),), determinism=determinism, max_batch=6)
    assert compiled.formed_batch_sizes == sizes


def test_a_variant_is_its_own_host_unless_it_names_one() -> None:
    """Variants share a process when one names the host that the other names, or is."""
    variants = {"large": variant(), "small": variant(host="large"), "other": variant(host="attic")}
    assert {host: list(sharing) for host, sharing in by_host(variants).items()} == {
        "large": ["large", "small"],
        "attic": ["other"],
    }


@pytest.mark.parametrize(
    "difference", [{"device": "cpu"}, {"num_gpus": 1.0}, {"memory_bytes": 10**9}, {"threads": 2}, {"num_cpus": 3.0}]
)
def test_variants_of_a_host_agree_about_its_process(difference: dict) -> None:
    """What describes the one process cannot be said in two ways; both are quoted."""
    name, value = next(iter(difference.items()))
    with pytest.raises(ValueError, match=f"one and two share host 'attic' but not {name}: .* and {value!r}"):
        by_host({"one": variant(host="attic"), "two": variant(host="attic", **difference)})


def test_hosts_that_disagree_stop_the_start(tmp_path: Path) -> None:
    """The check is part of reading a configuration."""
    path = tmp_path / "config.yaml"
    path.write_text(
        'variants: {a: {source: "builtin:sketch", device: cpu}, b: {source: "builtin:sketch", host: a}}\n'
        "endpoints: {fal-ai/flux/schnell: {task: text_to_image, variant: a}}\n"
    )
    with pytest.raises(ConfigurationError, match="a and b share host 'a' but not device: 'cpu' and 'auto'"):
        load_settings(path)
