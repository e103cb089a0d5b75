"""The picture-to-picture training loop is seeded, resumable and bounded by its budget."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app.builtin.training.regression import Regression, picture_loss, train
from app.builtin.training.stage import Budget, Progress, StageContext


class InterruptionError(Exception):
    """Stops a training half way."""


def learn(folder: Path, steps: int, *, stop_at: int | None = None, share: float = 1.0) -> tuple[nn.Linear, list[float]]:
    """A small network after so many steps, and the first random number of each step it took."""
    torch.manual_seed(0)
    network = nn.Linear(4, 4)
    drawn: list[float] = []

    def loss(rng: np.random.Generator) -> Tensor:
        if len(drawn) == stop_at:
            raise InterruptionError
        inputs = torch.from_numpy(rng.standard_normal((8, 4), dtype=np.float32))
        drawn.append(float(inputs[0, 0]))
        return ((network(inputs) - inputs.flip(1)) ** 2).mean()

    context = StageContext(folder, seed=1, budget=Budget(steps=steps), checkpoint_every_s=0.0)
    if stop_at is None:
        train(Regression("network", network, loss), context, share=share)
    else:
        with pytest.raises(InterruptionError):
            train(Regression("network", network, loss), context, share=share)
    return network, drawn


def test_an_interrupted_training_ends_like_an_unbroken_one(tmp_path: Path) -> None:
    """A resumed training draws the batches it had not seen and ends with the same weights."""
    whole, batches = learn(tmp_path / "whole", 10)

    _, before = learn(tmp_path / "broken", 10, stop_at=4)
    resumed, after = learn(tmp_path / "broken", 10)

    assert before + after == batches
    assert torch.equal(whole.weight, resumed.weight)


def test_a_finished_training_returns_at_once(tmp_path: Path) -> None:
    """Running again after the end takes no step and keeps the weights."""
    finished, _ = learn(tmp_path, 5)

    again, batches = learn(tmp_path, 5)

    assert batches == []
    assert torch.equal(finished.weight, again.weight)


def test_a_share_of_the_budget_is_kept(tmp_path: Path) -> None:
    """Half of ten steps are five."""
    _, batches = learn(tmp_path, 10, share=0.5)

    assert len(batches) == 5


def test_progress_is_reported(tmp_path: Path) -> None:
    """The listener hears the step, the share of the budget and the loss."""
    heard: list[Progress] = []
    network = nn.Linear(2, 2)
    context = StageContext(tmp_path, seed=1, budget=Budget(steps=100), report=heard.append)

    train(Regression("network", network, lambda rng: network(torch.ones(1, 2)).square().mean()), context)

    assert [(each.stage, each.step) for each in heard] == [("network", 50), ("network", 100)]
    assert heard[-1].metrics["loss"] < heard[0].metrics["loss"]


def test_the_loss_counts_errors_of_edges() -> None:
    """A constant offset costs its size alone; the same error as a checkerboard costs its edges too."""
    target = torch.zeros(1, 1, 8, 8)
    checkerboard = 1.0 - 2 * (torch.arange(8)[:, None] + torch.arange(8)).remainder(2)

    assert picture_loss(target + 1, target) == 1
    assert picture_loss(target + checkerboard, target) == 5
