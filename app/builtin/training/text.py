"""Teaches the two text encoders, on symbols alone, to describe the scene a prompt demands."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPTextModel, T5EncoderModel

from app.builtin.demand import MOST_OBJECTS, Demand
from app.builtin.grammar import PLURALS, sample_prompt
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES
from app.builtin.render import ASPECTS
from app.builtin.training.architecture import POOLED_WIDTH, build_clip, build_t5, hidden_matrices, rounded
from app.builtin.training.checkpoint import Checkpoint
from app.builtin.training.conditioning import (
    COLOUR,
    OBJECT_WIDTH,
    SCENE_WIDTH,
    SHAPE,
    describe,
    mentions,
    register_positions,
    unit_colour,
)
from app.builtin.training.manifest import PROMPT_SUFFIXES
from app.builtin.training.optimiser import Optimiser, learning_rate_factor
from app.builtin.training.stage import Progress, StageContext, Stopwatch
from app.builtin.training.tokenisers import (
    WORD_START,
    build_clip_tokenizer,
    build_t5_tokenizer,
    lower_case_rows,
    token_ids,
)

POOLED_OBJECTS: Final = 2
BATCH: Final = 64


@dataclass(frozen=True)
class PromptBatch:
    """Prompts as token ids for both encoders, with what each should say of its scene."""

    demands: list[Demand]
    t5_ids: Tensor
    clip_ids: Tensor
    registers: Tensor
    mentions: Tensor
    scenes: Tensor
    objects: Tensor


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

    def forward(self, batch: PromptBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The read-outs: scene, objects, the object each token speaks of, and the pooled vector's view."""
        tokens = self.t5(batch.t5_ids).last_hidden_state
        registers = tokens.gather(1, batch.registers[..., None].expand(-1, -1, tokens.shape[-1]))
        pooled = self.clip(batch.clip_ids).pooler_output
        objects = self.object_head(registers[:, 1:])
        return self.scene_head(registers[:, 0]), objects, self.object_head(tokens), self.pooled_head(pooled)

    def tie_letter_cases(self) -> None:
        """Give every spelling of a word in capitals the embedding of its lower-case spelling."""
        with torch.no_grad():
            self.t5.shared.weight.copy_(self.t5.shared.weight[lower_case_rows()].clone())


def sample_batch(tokenisers: Tokenisers, rng: np.random.Generator, size: int, *, held_out: bool = False) -> PromptBatch:
    """Random prompts for random canvas sizes."""
    demands, prompts, descriptions = [], [], []
    for _ in range(size):
        demand, prompt = sample_prompt(rng, held_out=held_out)
        shape = ASPECTS[int(rng.integers(len(ASPECTS)))]
        demands.append(demand)
        prompts.append(prompt + PROMPT_SUFFIXES[shape])
        descriptions.append(describe(demand, *shape))
    t5_ids, clip_ids = tokenisers.ids(prompts)
    return PromptBatch(
        demands,
        torch.from_numpy(t5_ids),
        torch.from_numpy(clip_ids),
        torch.from_numpy(register_positions(t5_ids, 1)),
        torch.from_numpy(mentions(t5_ids, tokenisers.naming_ids)),
        torch.from_numpy(np.stack([description.scene for description in descriptions])),
        torch.from_numpy(np.stack([description.objects for description in descriptions])),
    )


def text_loss(model: TextModel, batch: PromptBatch) -> Tensor:
    """Squared error of all read-outs; an absent object's register need only say that it is absent."""
    scene, objects, mentioned, pooled = model(batch)
    present = batch.objects[..., :1]
    relevant = torch.cat([torch.ones_like(present), present.expand(-1, -1, OBJECT_WIDTH - 1)], dim=-1)
    object_loss = (relevant * (objects - batch.objects) ** 2).sum() / relevant.sum()
    pooled_target = torch.cat([batch.scenes, batch.objects[:, :POOLED_OBJECTS].flatten(1)], dim=1)
    mention_loss = F.mse_loss(mentioned[batch.mentions >= 0], _mentioned_objects(batch))
    return F.mse_loss(scene, batch.scenes) + object_loss + mention_loss + 0.5 * F.mse_loss(pooled, pooled_target)


def _mentioned_objects(batch: PromptBatch) -> Tensor:
    rows, _ = torch.nonzero(batch.mentions >= 0, as_tuple=True)
    return batch.objects[rows, batch.mentions[batch.mentions >= 0]]


@torch.no_grad()
def slot_accuracy(model: TextModel, batch: PromptBatch) -> dict[str, float]:
    """Shares of held-out prompts whose registers, and whose pooled vector, tell everything rightly."""
    scene, objects, _, pooled = model(batch)
    right = _backgrounds_right(scene, batch) & _objects_right(objects, batch)
    pooled_objects = pooled[:, SCENE_WIDTH:].unflatten(1, (POOLED_OBJECTS, OBJECT_WIDTH))
    pooled_right = _backgrounds_right(pooled, batch) & _objects_right(pooled_objects, batch)
    return {"registers": float(right.float().mean()), "pooled": float(pooled_right.float().mean())}


def _nearest(values: Tensor, palette: dict[str, tuple[int, int, int]]) -> Tensor:
    colours = torch.from_numpy(np.stack([unit_colour(rgb) for rgb in palette.values()]))
    return torch.cdist(values, colours).argmin(-1)


def _backgrounds_right(scene: Tensor, batch: PromptBatch) -> Tensor:
    colour = _nearest(scene[:, :3], BACKGROUNDS) == _nearest(batch.scenes[:, :3], BACKGROUNDS)
    return colour & (scene[:, 3].round() == batch.scenes[:, 3])


def _objects_right(objects: Tensor, batch: PromptBatch) -> Tensor:
    wanted = batch.objects[:, : objects.shape[1]]
    present = wanted[..., 0] > 0.5
    placed = (objects[..., 1:3] - wanted[..., 1:3]).abs().amax(-1) < 1.5 / 32
    coloured = _nearest(objects[..., COLOUR], COLOURS) == _nearest(wanted[..., COLOUR], COLOURS)
    shaped = objects[..., SHAPE].argmax(-1) == wanted[..., SHAPE].argmax(-1)
    right = ((objects[..., 0] > 0.5) == present) & (~present | (placed & coloured & shaped))
    return right.all(dim=1)


class TextStage:
    """Trains both text encoders; the folder then holds them in bfloat16-rounded weights."""

    name = "text"

    def run(self, context: StageContext) -> None:
        """Train to the end of the budget, resuming from the folder's checkpoint."""
        torch.manual_seed(context.seed)
        tokenisers, model = Tokenisers(), TextModel()
        optimiser = Optimiser(model, hidden_matrices(model))
        checkpoint = Checkpoint(context.folder / "text.pt", {"model": model, "optimiser": optimiser})
        step, spent_s = checkpoint.load()
        watch = Stopwatch(spent_s)
        while (share := context.budget.share(step, watch.spent_s)) < 1:
            batch = sample_batch(tokenisers, np.random.default_rng((context.seed, step)), BATCH)
            loss = text_loss(model, batch)
            loss.backward()
            optimiser.step(learning_rate_factor(share, step, decay_from=0.5))
            step += 1
            if step % 50 == 0:
                context.report(Progress(self.name, step, share, {"loss": loss.item()}))
            checkpoint.save_if_due(step, watch.spent_s, context.checkpoint_every_s)
        model.tie_letter_cases()
        rounded(model)
        held_out = sample_batch(tokenisers, np.random.default_rng(context.seed + 1), 1000, held_out=True)
        context.report(Progress(self.name, step, 1.0, slot_accuracy(model, held_out)))
        checkpoint.save(step, watch.spent_s)
