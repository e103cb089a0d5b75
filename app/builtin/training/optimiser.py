"""Muon for weight matrices and AdamW for everything else, behind one optimiser."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Nearly orthogonal matrices with the singular vectors of those given, by Newton-Schulz iteration."""
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, for matrices only; equal shapes are worked on together."""

    def __init__(self, parameters: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix by one orthogonalised momentum step."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for parameters in by_shape.values():
                self._step_together(parameters, group["lr"], group["momentum"])

    def _step_together(self, parameters: list[nn.Parameter], lr: float, momentum: float) -> None:
        updates = orthogonalise(torch.stack([self._momentum_of(parameter, momentum) for parameter in parameters]))
        rows, columns = parameters[0].shape
        scale = max(1.0, rows / columns) ** 0.5
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.add_(update, alpha=-lr * scale)

    def _momentum_of(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average: Tensor = state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(average, momentum)


class Optimiser:
    """Muon on the given matrices and AdamW on the rest, with one common learning-rate factor."""

    def __init__(
        self, model: nn.Module, matrices: Iterable[nn.Parameter], *, muon_lr: float = 0.02, adam_lr: float = 2e-3
    ) -> None:
        chosen = list(matrices)
        known = {id(parameter) for parameter in chosen}
        rest = [parameter for name, parameter in model.named_parameters() if id(parameter) not in known and "relative" not in name]
        distances = [parameter for name, parameter in model.named_parameters() if "relative" in name]
        self._parts: list[tuple[torch.optim.Optimizer, float]] = [
            (Muon(chosen, lr=muon_lr), muon_lr),
            *([(torch.optim.AdamW(distances, lr=10 * adam_lr, weight_decay=0.0), 10 * adam_lr)] if distances else []),
            (torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0), adam_lr),
        ]
        self._parameters = chosen + rest + distances

    def step(self, factor: float) -> None:
        """Apply the gradients at `factor` times the base learning rates and clear them."""
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for part, lr in self._parts:
            for group in part.param_groups:
                group["lr"] = lr * factor
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, object]]:
        """Everything needed to go on exactly where this optimiser stands."""
        return [part.state_dict() for part, _ in self._parts]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        """Go on from a saved state."""
        for (part, _), state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def learning_rate_factor(share: float, step: int, *, warm_up_steps: int = 100, decay_from: float = 0.75) -> float:
    """Linear warm-up, then constant, then linear decay to zero at the end of the budget."""
    warm_up = min(1.0, (step + 1) / warm_up_steps)
    return warm_up * min(1.0, (1.0 - share) / (1.0 - decay_from))
