"""Models share what they have in common, by content; what they take is known before they are loaded."""

import gc
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline
from torch import nn

from app.config import VariantSettings
from app.inference.components import ComponentKey, ComponentPool, encoder_revision, shared_components
from app.inference.loader import LoadedModel, load_model, load_variant, weigh_variant
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.shelf import ModelShelf, joint_bytes
from app.inference.tuning import Tuning

SHARED = ("text_encoder", "text_encoder_2", "vae")


def parts_of(model: LoadedModel) -> FluxPipeline:
    """The networks of a loaded FLUX model."""
    assert isinstance(model.pipeline, FluxStepPipeline)
    return model.pipeline.parts


def keys_of(folder: Path, *, dtype: str = "float32", device: str = "cpu", vae_tiling: bool = False) -> dict:
    """The shared components of a folder."""
    return shared_components(folder, dtype=dtype, device=device, vae_tiling=vae_tiling)


@pytest.fixture
def copied(flux_folder: Path, tmp_path: Path) -> Path:
    """Another folder with the same content."""
    return Path(shutil.copytree(flux_folder, tmp_path / "copy"))


def test_two_variants_of_a_source_have_one_encoder_and_one_autoencoder(flux_folder: Path) -> None:
    """Only the transformer, which they change in different ways, is there twice."""
    pool = ComponentPool()
    one, other = (
        parts_of(load_model(str(flux_folder), device="cpu", pool=pool, tuning=tuning))
        for tuning in (Tuning(), Tuning(quantization="int8"))
    )
    assert all(getattr(one, name) is getattr(other, name) for name in SHARED)
    assert one.transformer is not other.transformer


def test_equal_content_is_shared_wherever_it_lies(flux_folder: Path, copied: Path) -> None:
    """Two transformers over copies of the same encoders share these, and not the encoder that differs."""
    assert keys_of(flux_folder) == keys_of(copied)
    config = copied / "text_encoder" / "config.json"
    config.write_text(config.read_text() + "\n")
    same = {name: key == keys_of(copied)[name] for name, key in keys_of(flux_folder).items()}
    assert same == {"text_encoder": False, "text_encoder_2": True, "vae": True}


def test_the_hub_s_names_for_files_are_their_content(flux_folder: Path, tmp_path: Path) -> None:
    """Links into the hub's store of blobs are compared by name, so that gigabytes need not be read."""
    folders = []
    for model in ("dev", "schnell"):
        blobs, encoder = tmp_path / model / "blobs", tmp_path / model / "snapshot" / "text_encoder"
        blobs.mkdir(parents=True)
        encoder.mkdir(parents=True)
        (blobs / "abc123").write_text(model)
        (encoder / "model.safetensors").symlink_to(blobs / "abc123")
        folders.append(encoder.parent)
    one, other = map(keys_of, folders)
    assert one == other != {}


@pytest.mark.parametrize("difference", [{"dtype": "bfloat16"}, {"device": "cuda"}, {"vae_tiling": True}])
def test_what_computes_otherwise_is_not_shared(flux_folder: Path, difference: dict) -> None:
    """Type and device separate all components, tiling the autoencoder alone."""
    plain, other = keys_of(flux_folder), keys_of(flux_folder, **difference)
    differing = {name for name in plain if plain[name] != other[name]}
    assert differing == ({"vae"} if "vae_tiling" in difference else set(SHARED))


def test_tiling_acts_on_its_own_autoencoder(flux_folder: Path) -> None:
    """A variant that decodes in tiles leaves the decoding of another alone."""
    pool = ComponentPool()
    plain, tiled = (
        parts_of(load_model(str(flux_folder), device="cpu", pool=pool, tuning=tuning))
        for tuning in (Tuning(), Tuning(vae_tiling=True))
    )
    assert (plain.vae.use_tiling, tiled.vae.use_tiling) == (False, True)
    assert plain.text_encoder is tiled.text_encoder


def test_a_pool_keeps_nothing_by_itself() -> None:
    """A component that no model has any more is gone from the pool as well."""
    pool, key, network = ComponentPool(), ComponentKey("a", "float32", "cpu"), nn.Linear(2, 2)
    pool.add({"vae": key}, {"vae": network})
    assert pool.found({"vae": key}) == {"vae": network}
    del network
    gc.collect()
    assert pool.found({"vae": key}) == {}


def test_the_revision_of_encoders_follows_their_files(flux_folder: Path, copied: Path) -> None:
    """Equal encoders have equal names; other tokens, another type or another encoder make another name."""
    revision = encoder_revision(flux_folder, dtype="float32")
    assert encoder_revision(copied, dtype="float32") == revision
    assert encoder_revision(copied, dtype="bfloat16") != revision
    shutil.rmtree(copied / "transformer")
    assert encoder_revision(copied, dtype="float32") == revision
    (copied / "tokenizer_2" / "extra.json").write_text("{}")
    assert encoder_revision(copied, dtype="float32") != revision


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_a_model_takes_what_its_files_foretell(flux_folder: Path, dtype: str, quantization: str) -> None:
    """The forecast is exact but for the scales of eight-bit weights and buffers that are not stored."""
    settings = VariantSettings(source=str(flux_folder), device="cpu", dtype=dtype, quantization=quantization)
    foretold, taken = weigh_variant(settings), load_variant(settings).footprint
    assert foretold.shared.keys() == taken.shared.keys()
    assert joint_bytes([foretold]) == pytest.approx(joint_bytes([taken]), rel=0.05)


def test_memory_of_an_evicted_model_is_given_back(flux_folder: Path) -> None:
    """After an eviction the networks that nobody else uses are gone; shared ones stay with whoever stays."""
    pool = ComponentPool()
    source, host = str(flux_folder), {"device": "cpu", "host": "shelf"}
    variants = {
        "plain": VariantSettings(source=source, **host),
        "small": VariantSettings(source=source, quantization="int8", **host),
    }
    shelf = ModelShelf(
        load=lambda name: load_variant(variants[name], pool=pool),
        weigh=lambda name: weigh_variant(variants[name]),
        budget_bytes=joint_bytes([load_variant(variants["plain"]).footprint]),
        give_back=gc.collect,
    )
    plain = parts_of(shelf.get("plain"))
    gone, kept = weakref.ref(plain.transformer), weakref.ref(plain.vae)
    vae = plain.vae
    del plain
    assert parts_of(shelf.get("small")).vae is vae
    assert shelf.resident == ("small",)
    assert (gone(), kept()) == (None, vae)
    assert torch.is_tensor(next(vae.parameters()))
