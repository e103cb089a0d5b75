"""Writes a trained model as a diffusers folder that the plain FLUX pipeline loads."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel
from torch import nn

from app.builtin.training.architecture import build_scheduler
from app.builtin.training.manifest import manifest
from app.builtin.training.text_model import TextModel, Tokenisers

MANIFEST_FILE: Final = "darkroom.json"


@dataclass(frozen=True)
class TrainedModel:
    """The trained parts of one variant and the number of steps it is meant for."""

    text: TextModel
    transformer: FluxTransformer2DModel
    vae: AutoencoderKL
    default_steps: int


def build_pipeline(model: TrainedModel) -> FluxPipeline:
    """The variant as a FLUX pipeline."""
    tokenisers = Tokenisers()
    return FluxPipeline(
        scheduler=build_scheduler(),
        vae=model.vae,
        text_encoder=model.text.clip,
        tokenizer=tokenisers.clip,
        text_encoder_2=model.text.t5,
        tokenizer_2=tokenisers.t5,
        transformer=model.transformer,
    )


def export(model: TrainedModel, folder: Path) -> None:
    """Replace the folder by the variant, cast to bfloat16; readers see the old or the new one, never a mixture."""
    partial, old = folder.with_name(folder.name + ".partial"), folder.with_name(folder.name + ".old")
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    for part in (model.text, model.transformer, model.vae):
        nn.Module.to(part, torch.bfloat16)
    build_pipeline(model).save_pretrained(partial)
    _forget_origins(partial)
    content = json.dumps(manifest(default_steps=model.default_steps), indent=2)
    (partial / MANIFEST_FILE).write_text(content + "\n", encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _forget_origins(folder: Path) -> None:
    """Drop from the parts' configurations the path they were once loaded from."""
    for path in folder.glob("*/config.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
