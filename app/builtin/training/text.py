"""Teaches the two text encoders, on symbols alone, to describe the scene a prompt demands."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from app.builtin.grammar import sample_prompt
from app.builtin.palette import BACKGROUNDS, COLOURS, Rgb
from app.builtin.render import ASPECTS
from app.builtin.training.architecture import distance_biases, hidden_matrices, round_to_bfloat16
from app.builtin.training.checkpoint import Checkpoint
from app.builtin.training.conditioning import (
    COLOUR,
    OBJECT_WIDTH,
    POOLED_OBJECTS,
    SCENE_WIDTH,
    SHAPE,
    Description,
    describe,
    mentions,
    register_positions,
    unit_colour,
)
from app.builtin.training.loop import Loop
from app.builtin.training.manifest import PROMPT_SUFFIXES
from app.builtin.training.optimiser import Optimiser, learning_rate_factor
from app.builtin.training.stage import StageContext
from app.builtin.training.text_model import TextModel, Tokenisers, is_finished, save_text_model

BATCH: Final = 64
PLACE_TOLERANCE: Final = 1.5 / 32
PROBE_SIZE: Final = 300


@dataclass(frozen=True)
class PromptBatch:
    """Prompts as token ids for both encoders, with what each should say of its scene."""

    t5_ids: Tensor
    clip_ids: Tensor
    registers: Tensor
    mentions: Tensor
    scenes: Tensor
    objects: Tensor


def sample_batch(tokenisers: Tokenisers, rng: np.random.Generator, size: int, *, held_out: bool = False) -> PromptBatch:
    """Random prompts for random canvas sizes."""
    pairs = [_sample_described(rng, held_out=held_out) for _ in range(size)]
    t5_ids, clip_ids = tokenisers.ids([prompt for prompt, _ in pairs])
    arrays = (
        t5_ids,
        clip_ids,
        register_positions(t5_ids, tokenisers.t5.eos_token_id),
        mentions(t5_ids, tokenisers.naming_ids),
        np.stack([description.scene for _, description in pairs]),
        np.stack([description.objects for _, description in pairs]),
    )
    return PromptBatch(*map(torch.from_numpy, arrays))


def _sample_described(rng: np.random.Generator, *, held_out: bool) -> tuple[str, Description]:
    demand, prompt = sample_prompt(rng, held_out=held_out)
    shape = ASPECTS[int(rng.integers(len(ASPECTS)))]
    return prompt + PROMPT_SUFFIXES[shape], describe(demand, *shape)


def text_loss(model: TextModel, batch: PromptBatch) -> Tensor:
    """Squared error of all read-outs; an absent object's register need only say that it is absent."""
    scene, objects, mentioned, pooled = model(batch.t5_ids, batch.clip_ids, batch.registers)
    pooled_target = torch.cat([batch.scenes, batch.objects[:, :POOLED_OBJECTS].flatten(1)], dim=1)
    loss: Tensor = mse_loss(scene, batch.scenes) + _object_loss(objects, batch.objects)
    loss = loss + mse_loss(mentioned[batch.mentions >= 0], _mentioned_objects(batch))
    return loss + 0.5 * mse_loss(pooled, pooled_target)


def _object_loss(objects: Tensor, wanted: Tensor) -> Tensor:
    present = wanted[..., :1]
    relevant = torch.cat([torch.ones_like(present), present.expand(-1, -1, OBJECT_WIDTH - 1)], dim=-1)
    return (relevant * (objects - wanted) ** 2).sum() / relevant.sum()


def _mentioned_objects(batch: PromptBatch) -> Tensor:
    rows, _ = torch.nonzero(batch.mentions >= 0, as_tuple=True)
    return batch.objects[rows, batch.mentions[batch.mentions >= 0]]


@torch.no_grad()
def slot_accuracy(model: TextModel, batch: PromptBatch) -> dict[str, float]:
    """Shares of prompts whose registers, and whose pooled vector, tell everything rightly."""
    scene, objects, _, pooled = model(batch.t5_ids, batch.clip_ids, batch.registers)
    right = _backgrounds_right(scene, batch) & _objects_right(objects, batch)
    pooled_objects = pooled[:, SCENE_WIDTH:].unflatten(1, (POOLED_OBJECTS, OBJECT_WIDTH))
    pooled_right = _backgrounds_right(pooled, batch) & _objects_right(pooled_objects, batch)
    return {"registers": float(right.float().mean()), "pooled": float(pooled_right.float().mean())}


def _nearest(values: Tensor, palette: dict[str, Rgb]) -> Tensor:
    colours = torch.from_numpy(np.stack([unit_colour(rgb) for rgb in palette.values()]))
    return torch.cdist(values, colours).argmin(-1)


def _backgrounds_right(scene: Tensor, batch: PromptBatch) -> Tensor:
    colour = _nearest(scene[:, :3], BACKGROUNDS) == _nearest(batch.scenes[:, :3], BACKGROUNDS)
    return colour & (scene[:, 3].round() == batch.scenes[:, 3])


def _objects_right(objects: Tensor, batch: PromptBatch) -> Tensor:
    wanted = batch.objects[:, : objects.shape[1]]
    present = wanted[..., 0] > 0.5
    placed = (objects[..., 1:3] - wanted[..., 1:3]).abs().amax(-1) < PLACE_TOLERANCE
    coloured = _nearest(objects[..., COLOUR], COLOURS) == _nearest(wanted[..., COLOUR], COLOURS)
    shaped = objects[..., SHAPE].argmax(-1) == wanted[..., SHAPE].argmax(-1)
    right = ((objects[..., 0] > 0.5) == present) & (~present | (placed & coloured & shaped))
    return right.all(dim=1)


class TextStage:
    """Trains both text encoders; the folder then holds them, rounded to bfloat16."""

    name = "text"

    def run(self, context: StageContext) -> None:
        """Train to the end of the budget, resuming from the folder's checkpoint.

        Finished encoders are left as they are, whatever the budget: the denoiser stands on them.
        """
        if is_finished(context.folder):
            return
        torch.manual_seed(context.seed)
        tokenisers, model = Tokenisers(), TextModel()
        optimiser = Optimiser(model, hidden_matrices(model), swift=distance_biases(model))
        checkpoint = Checkpoint(context.folder / "state.pt", {"model": model, "optimiser": optimiser})

        def advance(step: int, share: float) -> float:
            batch = sample_batch(tokenisers, np.random.default_rng((context.seed, step)), BATCH)
            loss = text_loss(model, batch)
            torch.autograd.backward(loss)
            optimiser.step(learning_rate_factor(share, step, decay_from=0.5))
            return loss.item()

        def probe() -> dict[str, float]:
            held_out = sample_batch(tokenisers, np.random.default_rng(context.seed + 1), PROBE_SIZE, held_out=True)
            return slot_accuracy(model, held_out)

        Loop(self.name, advance, probe).run(context, checkpoint)
        model.tie_letter_cases()
        round_to_bfloat16(model)
        save_text_model(model, context.folder)
