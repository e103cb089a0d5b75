"""The key under which all wordings of one request find one picture."""

from dataclasses import fields, replace

import pytest
from fakes import make_spec

from app.cache.canonical import canonical_key
from app.cache.exact import exact_key
from app.generation import ImageFormat, Lora, PictureSpec, Task

OTHER_VALUES = {
    "task": Task.IMAGE_TO_IMAGE,
    "variant": "sketch-fast",
    "prompt": "the dot",
    "negative_prompt": "a dot",
    "width": 65,
    "height": 65,
    "native_width": 65,
    "native_height": 65,
    "steps": 5,
    "guidance_scale": 0.5,
    "strength": 0.5,
    "source_key": "source.png",
    "loras": (Lora(path="ink.safetensors"),),
    "image_format": ImageFormat.JPEG,
    "quality": 50,
}
SHAPING = [field.name for field in fields(PictureSpec) if field.name != "seed"]


def key_of(spec: PictureSpec, tenant: str = "local", revision: str = "1") -> str:
    """The key with everything but the spec held still."""
    return canonical_key(spec, tenant=tenant, revision=revision)


@pytest.mark.parametrize("name", SHAPING)
def test_everything_but_the_seed_is_in_the_key(name: str) -> None:
    """Changing any other field changes the key; a new field must be listed here."""
    assert key_of(make_spec()) != key_of(replace(make_spec(), **{name: OTHER_VALUES[name]}))


def test_seeds_and_wordings_share_a_key() -> None:
    """Neither the seed nor the wording is in it."""
    assert key_of(make_spec(prompt="a dot", seed=1)) == key_of(make_spec(prompt="Please draw a dot!", seed=2))


def test_tenants_and_revisions_have_keys_of_their_own() -> None:
    """Nobody finds the pictures of another tenant, nor those of other weights."""
    keys = {key_of(make_spec(), tenant, revision) for tenant in ("a", "b") for revision in ("1", "2")}

    assert len(keys) == 4


def test_no_canonical_key_is_an_exact_key() -> None:
    """A request with a seed never finds what was remembered for any seed."""
    assert key_of(make_spec(seed=0)) != exact_key(make_spec(seed=0), tenant="local", revision="1")


def test_a_negative_prompt_is_compared_as_it_stands() -> None:
    """Only the prompt has other wordings."""
    assert key_of(make_spec(negative_prompt="Ink.")) != key_of(make_spec(negative_prompt="ink"))
