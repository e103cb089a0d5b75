"""LoRA files: every format means what diffusers says it means, and what is no LoRA for the model is refused."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import save
from tiny_flux import tiny_flux
from tiny_lora import Weights, random_layers, write_lora
from tiny_sdxl import tiny_sdxl

from app.inference.loras.reading import UnusableLoraError, denoiser_of, read_lora

FLUX_KOHYA = {
    "lora_unet_double_blocks_0_img_attn_qkv": (32, 96),
    "lora_unet_double_blocks_0_img_attn_proj": (32, 32),
    "lora_unet_double_blocks_0_txt_mlp_0": (32, 128),
    "lora_unet_single_blocks_1_linear2": (160, 32),
}
SDXL_KOHYA = {
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q": (32, 32),
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k": (32, 32),
    "lora_unet_down_blocks_1_attentions_0_proj_in": (32, 32),
}


def kohya(layers: dict[str, tuple[int, int]], *, alpha: float = 2.0, rank: int = 4) -> Weights:
    """Weights in the names of kohya's scripts."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, (inner, outer) in layers.items():
        weights[f"{name}.lora_down.weight"] = torch.randn(rank, inner, generator=generator)
        weights[f"{name}.lora_up.weight"] = torch.randn(outer, rank, generator=generator)
        weights[f"{name}.alpha"] = torch.tensor(alpha)
    return weights


def product(parts: DiffusionPipeline, data: bytes) -> Weights:
    """What a file adds to the weight of each layer, as we read it."""
    found = read_lora(data, parts)
    return {path: addition.up.weight.float() @ addition.down.weight.float() for path, addition in found.items()}


def reference(parts: DiffusionPipeline, folder: Path, name: str) -> Weights:
    """What a file adds to the weight of each layer, as diffusers and peft read it."""
    parts.load_lora_weights(folder, weight_name=name, adapter_name="one")
    modules = denoiser_of(parts)[1].named_modules()
    return {path: layer.get_delta_weight("one") for path, layer in modules if hasattr(layer, "get_delta_weight")}


def assert_equal_meaning(make: Callable[[], DiffusionPipeline], folder: Path, name: str) -> None:
    """We read a file as diffusers reads it: the same layers, the same additions."""
    ours = product(make(), (folder / name).read_bytes())
    theirs = reference(make(), folder, name)
    assert ours.keys() == theirs.keys()
    for path, addition in ours.items():
        torch.testing.assert_close(addition, theirs[path], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [tiny_flux, tiny_sdxl])
@pytest.mark.parametrize("alpha", [None, 1.0, 8.0])
def test_what_diffusers_wrote(make: Callable[[], DiffusionPipeline], tmp_path: Path, alpha: float | None) -> None:
    """A file that diffusers saved, with and without a configuration, means the same to us."""
    write_lora(tmp_path, "a.safetensors", make(), alpha=alpha)
    assert_equal_meaning(make, tmp_path, "a.safetensors")


@pytest.mark.parametrize(("make", "layers"), [(tiny_flux, FLUX_KOHYA), (tiny_sdxl, SDXL_KOHYA)])
def test_what_kohya_wrote(
    make: Callable[[], DiffusionPipeline], tmp_path: Path, layers: dict[str, tuple[int, int]]
) -> None:
    """Kohya's names, fused projections and alphas mean the same to us."""
    (tmp_path / "a.safetensors").write_bytes(save(kohya(layers)))
    assert_equal_meaning(make, tmp_path, "a.safetensors")


def test_kohya_alphas_belong_to_their_layers() -> None:
    """Layers whose alphas differ are scaled each by its own."""
    names = list(SDXL_KOHYA)
    mixed = kohya(SDXL_KOHYA) | {f"{names[1]}.alpha": torch.tensor(4.0)}
    usual, other = product(tiny_sdxl(), save(kohya(SDXL_KOHYA))), product(tiny_sdxl(), save(mixed))
    factors = {path: (other[path] / addition).mean().item() for path, addition in usual.items()}
    assert sorted(round(factor, 3) for factor in factors.values()) == [1.0, 1.0, 2.0]
    assert round(factors["down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"], 3) == 2.0


@pytest.mark.filterwarnings("ignore:The following alpha_pattern keys did not match:RuntimeWarning")  # peft's own
@pytest.mark.parametrize(
    ("declared", "factor"),
    [
        ({"lora_alpha": 8, "use_rslora": True}, 4.0),
        ({"lora_alpha": 8, "alpha_pattern": {"to_q": 2}}, 0.5),
        ({"lora_alpha": 8, "alpha_pattern": {"^transformer_blocks.0.attn.to_q": 2}}, 0.5),
        ({"lora_alpha": 8, "alpha_pattern": {"^to_q": 2}}, 2.0),
    ],
    ids=["rank-stabilised", "by the end of the name", "by the whole name", "by a name that is not whole"],
)
def test_declared_strengths(tmp_path: Path, declared: dict[str, object], factor: float) -> None:
    """Alphas by layer and rank-stabilised scaling are those that peft computes."""
    parts, only = tiny_flux(), {"within": lambda path: path == "transformer_blocks.0.attn.to_q"}
    layers = random_layers(parts.transformer, **only)
    named = {"transformer_lora_layers": layers, "weight_name": "a.safetensors"}
    parts.save_lora_weights(tmp_path, **named)
    bare = product(parts, (tmp_path / "a.safetensors").read_bytes())
    configuration = {"r": 4, "target_modules": ["transformer_blocks.0.attn.to_q"]} | declared
    parts.save_lora_weights(tmp_path, **named, transformer_lora_adapter_metadata=configuration)
    scaled = product(parts, (tmp_path / "a.safetensors").read_bytes())

    for path, addition in scaled.items():
        torch.testing.assert_close(addition, factor * bare[path])
    assert_equal_meaning(tiny_flux, tmp_path, "a.safetensors")


def test_text_encoders_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Weights for text encoders are ignored, with a line in the log."""
    layers = kohya(SDXL_KOHYA) | kohya({"lora_te1_text_model_encoder_layers_0_self_attn_q_proj": (16, 16)})
    with caplog.at_level(logging.WARNING):
        found = product(tiny_sdxl(), save(layers))
    assert found.keys() == product(tiny_sdxl(), save(kohya(SDXL_KOHYA))).keys()
    assert "text encoders" in caplog.text


def test_layers_that_the_model_lacks_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """A LoRA for a larger sibling acts where it can, with a line in the log."""
    layers = FLUX_KOHYA | {"lora_unet_single_blocks_30_linear2": (160, 32)}
    with caplog.at_level(logging.WARNING):
        found = product(tiny_flux(), save(kohya(layers)))
    assert found.keys() == product(tiny_flux(), save(kohya(FLUX_KOHYA))).keys()
    assert "1 layers that the model has not" in caplog.text


QUERY = "transformer.transformer_blocks.0.attn.to_q"
PAIR = {f"{QUERY}.lora_A.weight": torch.ones(4, 32), f"{QUERY}.lora_B.weight": torch.ones(32, 4)}


def changed(**parts: torch.Tensor) -> bytes:
    """A file of one good pair, with other weights beside or instead of it."""
    return save(PAIR | {f"{QUERY}.{name.replace('__', '.')}": value for name, value in parts.items()})


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "known format"),
        (b"\xff" * 64, "known format"),
        (save({}), "known format|none of the layers"),
        (save({"weight": torch.ones(2)}), "known format|none of the layers"),
        (save(dict([*PAIR.items()][:1])), "known format"),
        (save(kohya(SDXL_KOHYA)), "known format|none of the layers"),
        (changed(lora_A__weight=torch.ones(4, 48)), "other sizes"),
        (changed(lora_B__weight=torch.ones(64, 4)), "other sizes"),
        (changed(lora_B__weight=torch.ones(32, 3)), "other sizes"),
        (changed(lora_A__weight=torch.ones(0, 32), lora_B__weight=torch.ones(32, 0)), "known format|other sizes"),
        (changed(lora_A__weight=torch.tensor(1.0)), "known format"),
        (changed(lora_B__bias=torch.ones(32)), "more than a LoRA"),
        (changed(weight=torch.ones(32, 32)), "more than a LoRA"),
        (changed(lora_magnitude_vector=torch.ones(32)), "another kind"),
        (changed(lokr_w1=torch.ones(32)), "another kind"),
    ],
    ids=[
        "nothing", "noise", "no weights", "other weights", "half a pair", "for another model", "other input",
        "other output", "other rank", "no rank", "no matrix", "bias", "replacement", "DoRA", "LoKr",
    ],
)  # fmt: skip
def test_what_is_no_lora_for_the_model_is_refused(data: bytes, complaint: str) -> None:
    """Every kind of useless file is refused in words, and leaves the model as it is."""
    parts = tiny_flux()
    before = {name: weight.clone() for name, weight in parts.transformer.state_dict().items()}
    with pytest.raises(UnusableLoraError, match=complaint):
        read_lora(data, parts)
    after = parts.transformer.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "declared",
    [{"use_dora": True}, {"lora_bias": True}, {"alpha_pattern": {"attn.*to_q": 2}}, {"lora_alpha": "much"}],
    ids=["DoRA", "bias", "a pattern", "no number"],
)
def test_declarations_that_we_do_not_follow_are_refused(tmp_path: Path, declared: dict[str, object]) -> None:
    """A file that says of itself what we would have to ignore is refused."""
    parts = tiny_flux()
    parts.save_lora_weights(
        tmp_path,
        weight_name="a.safetensors",
        transformer_lora_layers=random_layers(parts.transformer),
        transformer_lora_adapter_metadata={"r": 4, "lora_alpha": 4} | declared,
    )
    with pytest.raises(UnusableLoraError):
        read_lora((tmp_path / "a.safetensors").read_bytes(), parts)
