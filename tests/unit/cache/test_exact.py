"""The exact cache: what makes two pictures the same, and what is remembered."""

from dataclasses import fields, replace

import pytest
from fakes import MemoryBlobStore, make_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cache.exact import ExactCache, exact_key, model_revision
from app.config import DarkroomSettings, EndpointSettings, UpscalerSettings, VariantSettings
from app.generation import ImageFormat, Lora, Picture, PictureSpec, Receipt, Task

OTHER_VALUES = {
    "task": Task.IMAGE_TO_IMAGE,
    "variant": "sketch-fast",
    "prompt": "a dot ",
    "negative_prompt": "a dot",
    "width": 65,
    "height": 65,
    "native_width": 65,
    "native_height": 65,
    "steps": 5,
    "seed": 1,
    "guidance_scale": 0.5,
    "strength": 0.5,
    "source_key": "source.png",
    "loras": (Lora(path="ink.safetensors"),),
    "image_format": ImageFormat.JPEG,
    "quality": 80,
}

SPECS = st.builds(
    PictureSpec,
    task=st.sampled_from(Task),
    variant=st.sampled_from(["a", "b"]),
    prompt=st.text(max_size=3),
    width=st.integers(1, 3),
    height=st.integers(1, 3),
    native_width=st.integers(1, 2),
    native_height=st.integers(1, 2),
    steps=st.integers(0, 2),
    seed=st.integers(0, 2),
    guidance_scale=st.sampled_from([0.0, 0, 1.0, 1]),
    strength=st.sampled_from([0.5, 1.0, 1]),
    source_key=st.sampled_from([None, "a", "b"]),
    loras=st.lists(st.builds(Lora, path=st.sampled_from("ab"), scale=st.sampled_from([1, 1.0, 2.0])), max_size=2).map(
        tuple
    ),
)


def key_of(spec: PictureSpec, tenant: str = "local", revision: str = "1") -> str:
    """The key with everything but the spec held still."""
    return exact_key(spec, tenant=tenant, revision=revision)


@pytest.mark.parametrize("name", [field.name for field in fields(PictureSpec)])
def test_everything_that_shapes_a_picture_is_in_its_key(name: str) -> None:
    """Changing any one field of the spec changes the key; a new field must be listed here."""
    assert key_of(make_spec()) != key_of(replace(make_spec(), **{name: OTHER_VALUES[name]}))


def test_a_lora_whose_file_was_replaced_is_another() -> None:
    """The content of a LoRA's file is part of the key, and so is the order in which LoRAs act."""
    first, second = (Lora(path="ink.safetensors", digest=digest) for digest in "ab")
    combinations = [(first,), (second,), (first, second), (second, first)]
    assert len({key_of(make_spec(loras=loras)) for loras in combinations}) == 4


def test_tenants_and_revisions_do_not_share_pictures() -> None:
    """The key separates tenants, and the same model before and after a change of its weights."""
    keys = {key_of(make_spec(), tenant, revision) for tenant in ("a", "b") for revision in ("1", "2")}
    assert len(keys) == 4


@given(SPECS, SPECS)
@settings(deadline=None)
def test_keys_are_equal_exactly_when_specs_are(one: PictureSpec, other: PictureSpec) -> None:
    """Equal specs have equal keys, however their numbers are written; different ones never."""
    assert (key_of(one) == key_of(other)) == (one == other)
    assert key_of(one) == key_of(replace(one))


def test_no_field_can_pass_for_another() -> None:
    """The serialisation is unambiguous: text cannot move between tenant, revision and prompt."""
    assert key_of(make_spec(), "a", "bc") != key_of(make_spec(), "ab", "c")
    assert key_of(make_spec(prompt='","seed":1')) != key_of(make_spec(prompt="", seed=1))


def _settings(variant: VariantSettings, upscaler: UpscalerSettings | None = None) -> DarkroomSettings:
    endpoints = {"fal-ai/esrgan": EndpointSettings(task=Task.UPSCALE)}
    return DarkroomSettings(variants={"v": variant}, upscaler=upscaler or UpscalerSettings(), endpoints=endpoints)


def test_the_revision_follows_what_changes_pixels() -> None:
    """Weights, precision and the upscaler count; how many replicas there are does not."""
    plain = VariantSettings(source="builtin:sketch")
    revision = model_revision(_settings(plain), "v")
    assert model_revision(_settings(plain.model_copy(update={"max_batch": 2})), "v") == revision
    assert model_revision(_settings(plain.model_copy(update={"quantization": "int8"})), "v") != revision
    assert model_revision(_settings(plain, UpscalerSettings(source="esrgan.pth")), "v") != revision
    assert model_revision(_settings(plain), "upscaler") != revision


SHAPING = {
    "source": "builtin:sketch-fast",
    "family": "sdxl",
    "device": "cpu",
    "threads": 2,
    "dtype": "bfloat16",
    "quantization": "int8",
    "determinism": "fast",
    "attention": "_native_math",
    "compile": "default",
    "step_cache": 0.05,
    "vae_tiling": True,
    "max_lora_rank": 32,
}
NOT_SHAPING = {
    "default_steps", "max_steps", "native_sizes", "lora_folder", "max_loras", "max_lora_bytes", "max_batch",
    "batch_sizes", "compile_cache", "host", "memory_bytes", "pinned", "num_cpus", "num_gpus", "autoscaling",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in VariantSettings.model_fields if name not in NOT_SHAPING])
def test_every_setting_that_changes_bytes_changes_the_revision(name: str) -> None:
    """A picture made another way is another picture; a new setting must be listed here, on one side or the other."""
    plain = VariantSettings(source="builtin:sketch", default_steps=28, native_sizes=((64, 64),))
    changed = plain.model_copy(update={name: SHAPING[name]})
    assert model_revision(_settings(plain), "v") != model_revision(_settings(changed), "v")


def _picture(key: str) -> Picture:
    receipt = Receipt(variant="sketch", steps=4)
    return Picture(blob_key=key, width=1, height=1, image_format=ImageFormat.PNG, byte_count=1, receipt=receipt)


async def _cache(*keys: str, max_entries: int = 2) -> tuple[ExactCache, MemoryBlobStore]:
    blobs = MemoryBlobStore()
    cache = ExactCache(blobs=blobs, max_entries=max_entries)
    for key in keys:
        await blobs.put(key, b"x")
        cache.put(key, _picture(key), tenant="ann")
    return cache, blobs


async def test_a_remembered_picture_is_found() -> None:
    """What was put is found under its key, and under no other."""
    cache, _ = await _cache("a")
    assert await cache.get("a") == _picture("a")
    assert await cache.get("b") is None


async def test_the_picture_that_nobody_used_gives_way() -> None:
    """Reading counts as use."""
    cache, blobs = await _cache("a", "b")
    await cache.get("a")
    await blobs.put("c", b"x")
    cache.put("c", _picture("c"), tenant="ann")
    assert [await cache.get(key) is not None for key in ("a", "b", "c")] == [True, False, True]
    assert len(cache) == 2


async def test_a_missing_file_is_a_miss_and_is_forgotten() -> None:
    """A hit whose file is gone is no hit, and does not come back with the file of another."""
    cache, blobs = await _cache("a")
    await blobs.delete("a")
    assert await cache.get("a") is None
    assert len(cache) == 0


async def test_no_entries_means_no_cache() -> None:
    """With room for nothing, nothing is remembered."""
    cache, _ = await _cache("a", max_entries=0)
    assert await cache.get("a") is None


async def test_a_tenant_has_so_many_bytes() -> None:
    """Beyond its bytes a tenant's own pictures give way."""
    blobs = MemoryBlobStore()
    cache = ExactCache(blobs=blobs, max_entries=100, tenant_bytes=2)
    for tenant, key in (("bob", "x"), ("ann", "a"), ("ann", "b"), ("ann", "c")):
        await blobs.put(key, b"x")
        cache.put(key, _picture(key), tenant=tenant)
    assert [await cache.get(key) is not None for key in ("x", "a", "b", "c")] == [True, False, True, True]


async def test_what_is_discarded_is_a_miss() -> None:
    """A key that is taken down is not found, and makes room."""
    cache, _ = await _cache("a", "b")
    cache.discard("a")
    cache.discard("unknown")
    assert await cache.get("a") is None
    assert len(cache) == 1
