"""The two text encoders with the read-outs that teach them, and the tokenizers that feed them."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from transformers import CLIPTextModel, T5EncoderModel

from app.builtin.grammar import PLURALS
from app.builtin.palette import COLOURS, SHAPES
from app.builtin.training.architecture import POOLED_WIDTH, build_clip, build_t5
from app.builtin.training.conditioning import OBJECT_WIDTH, POOLED_OBJECTS, SCENE_WIDTH
from app.builtin.training.tokenisers import (
    WORD_START,
    build_clip_tokenizer,
    build_t5_tokenizer,
    lower_case_rows,
    token_ids,
)

TEXT_FILE: Final = "text.safetensors"


class Tokenisers:
    """Both tokenizers, applied to prompts together."""

    def __init__(self) -> None:
        self.t5 = build_t5_tokenizer()
        self.clip = build_clip_tokenizer()
        names = (*COLOURS, *SHAPES, *PLURALS.values())
        self.naming_ids = np.asarray(self.t5.convert_tokens_to_ids([WORD_START + name for name in names]))

    def ids(self, prompts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The prompts' ids for T5 and for CLIP."""
        return token_ids(self.t5, prompts), token_ids(self.clip, prompts)


class TextModel(nn.Module):
    """Both text encoders with the linear read-outs that train them and are thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.t5: T5EncoderModel = build_t5()
        self.clip: CLIPTextModel = build_clip()
        self.scene_head = nn.Linear(self.t5.config.d_model, SCENE_WIDTH)
        self.object_head = nn.Linear(self.t5.config.d_model, OBJECT_WIDTH)
        self.pooled_head = nn.Linear(POOLED_WIDTH, SCENE_WIDTH + POOLED_OBJECTS * OBJECT_WIDTH)

    def forward(self, t5_ids: Tensor, clip_ids: Tensor, registers: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The read-outs: scene, objects, the object each token speaks of, and the pooled vector's view."""
        tokens = self.t5(t5_ids).last_hidden_state
        chosen = tokens.gather(1, registers[..., None].expand(-1, -1, tokens.shape[-1]))
        pooled = self.clip(clip_ids).pooler_output
        scene, objects = self.scene_head(chosen[:, 0]), self.object_head(chosen[:, 1:])
        return scene, objects, self.object_head(tokens), self.pooled_head(pooled)

    def tie_letter_cases(self) -> None:
        """Give every spelling of a word in capitals the embedding of its lower-case spelling."""
        with torch.no_grad():
            self.t5.shared.weight.copy_(self.t5.shared.weight[lower_case_rows()].clone())


def is_finished(folder: Path) -> bool:
    """Whether a text stage has left its encoders in the folder."""
    return (folder / TEXT_FILE).exists()


def save_text_model(model: TextModel, folder: Path) -> None:
    """Keep finished text encoders, and their read-outs, in a stage's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_model(model, str(folder / TEXT_FILE))


def load_text_model(folder: Path) -> TextModel:
    """The frozen text encoders a finished text stage left in its folder."""
    model = TextModel()
    load_model(model, folder / TEXT_FILE)
    return model.requires_grad_(requires_grad=False).eval()
