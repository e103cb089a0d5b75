"""The training loop of networks that map pictures to pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from app.builtin.training.checkpoint import Checkpoint, Stateful
from app.builtin.training.optimiser import learning_rate_factor
from app.builtin.training.stage import Budget, Progress, StageContext, Stopwatch

_REPORT_EVERY = 50


@dataclass(frozen=True)
class Regression:
    """A network to train on a loss that draws its own random batch."""

    name: str
    network: nn.Module
    loss: Callable[[np.random.Generator], Tensor]
    learning_rate: float = 2e-3


def train(regression: Regression, context: StageContext, *, share: float = 1.0) -> None:
    """Train with AdamW for a share of the context's budget, resuming from the folder's checkpoint."""
    budget = _part_of(context.budget, share)
    optimiser = torch.optim.AdamW(regression.network.parameters(), lr=regression.learning_rate, weight_decay=0.0)
    parts: dict[str, Stateful] = {"network": regression.network, "optimiser": optimiser}
    checkpoint = Checkpoint(context.folder / f"{regression.name}.pt", parts)
    step, spent_s = checkpoint.load()
    watch = Stopwatch(spent_s)
    while (done := budget.share(step, watch.spent_s)) < 1:
        loss = regression.loss(np.random.default_rng((context.seed, step)))
        _descend(regression, optimiser, loss, learning_rate_factor(done, step, decay_from=0.4))
        step += 1
        if step % _REPORT_EVERY == 0:
            context.report(Progress(regression.name, step, done, {"loss": loss.item()}))
        checkpoint.save_if_due(step, watch.spent_s, context.checkpoint_every_s)
    checkpoint.save(step, watch.spent_s)


def _part_of(budget: Budget, share: float) -> Budget:
    return Budget(budget.minutes * share, None if budget.steps is None else max(1, round(budget.steps * share)))


def _descend(regression: Regression, optimiser: torch.optim.Optimizer, loss: Tensor, factor: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = regression.learning_rate * factor
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(regression.network.parameters(), 1.0)
    optimiser.step()


def picture_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of the pixels and of their differences to the next pixel right and below."""
    error = predicted - target
    return error.abs().mean() + error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
