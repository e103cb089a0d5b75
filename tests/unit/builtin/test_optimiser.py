"""Muon, the learning-rate schedule and the averaged weights."""

import pytest
import torch
from torch import nn

from app.builtin.training.ema import Average
from app.builtin.training.optimiser import Muon, Optimiser, learning_rate_factor, orthogonalise


@pytest.mark.parametrize("shape", [(3, 32, 96), (2, 128, 48), (2, 48, 128)])
def test_updates_are_nearly_orthogonal(shape: tuple[int, ...]) -> None:
    """All singular values of an orthogonalised matrix lie near one, whatever those given."""
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))

    values = torch.linalg.svdvals(orthogonalise(matrices))

    assert values.min() > 0.3
    assert values.max() < 1.3


def test_orthogonalising_keeps_the_directions() -> None:
    """The result has the singular vectors of what was given."""
    matrix = torch.randn(32, 16, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)

    core = left.mT @ orthogonalise(matrix[None])[0] @ right.mT

    assert (core - torch.diag(core.diagonal())).abs().max() < 1e-3


def test_muon_treats_matrices_alone_and_together_alike() -> None:
    """Working on equal shapes at once gives each matrix the update it would get alone."""
    together, alone = _two_matrices(), _two_matrices()
    Muon(together, lr=0.1).step()
    for parameter in alone:
        Muon([parameter], lr=0.1).step()

    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)


def _two_matrices() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(2)
    parameters = [nn.Parameter(torch.zeros(8, 16)) for _ in range(2)]
    for parameter in parameters:
        parameter.grad = torch.randn(8, 16, generator=generator)
    return parameters


def test_the_optimiser_descends() -> None:
    """A small network fits its data."""
    torch.manual_seed(0)
    first = nn.Linear(4, 16)
    network = nn.Sequential(first, nn.Tanh(), nn.Linear(16, 1))
    optimiser = Optimiser(network, list(first.parameters())[:1])
    data = torch.randn(64, 4)
    losses = []
    for _ in range(150):
        loss = ((network(data) - data.sum(1, keepdim=True).tanh()) ** 2).mean()
        torch.autograd.backward(loss)
        optimiser.step(1.0)
        losses.append(loss.item())

    assert losses[-1] < 0.1 * losses[0]


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    """The factor rises over the first steps, stays at one, and ends at zero."""
    assert learning_rate_factor(0.0, 0) == pytest.approx(0.01)
    assert learning_rate_factor(0.5, 1000) == 1.0
    assert learning_rate_factor(0.9, 1000, decay_from=0.8) == pytest.approx(0.5)
    assert learning_rate_factor(1.0, 1000) == 0.0


def test_the_average_follows_slowly() -> None:
    """The average moves a small part of the way to the model at each late step."""
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, decay=0.9)
    start = model.weight.item()
    with torch.no_grad():
        model.weight.add_(1.0)

    average.update(model, 10_000)

    assert average.model.weight.item() == pytest.approx(start + 0.1, abs=1e-5)
