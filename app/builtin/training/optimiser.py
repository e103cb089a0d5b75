"""Muon for weight matrices and AdamW for everything else, behind one optimiser."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

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
    result: Tensor = x.mT if tall else x
    return result


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
    """Muon on hidden matrices and AdamW on the rest, with one common learning-rate factor.

    The `swift` parameters are few and must travel far: AdamW moves them ten times as fast.
    """

    def __init__(
        self,
        model: nn.Module,
        matrices: Iterable[nn.Parameter],
        *,
        swift: Iterable[nn.Parameter] = (),
        muon_lr: float = 0.02,
        adam_lr: float = 2e-3,
    ) -> None:
        chosen, fast = list(matrices), list(swift)
        known = {id(parameter) for parameter in chosen + fast}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
        groups = [{"params": rest}, {"params": fast}] if fast else [{"params": rest}]
        self._muon = Muon(chosen, lr=muon_lr)
        self._adam = torch.optim.AdamW(groups, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
        self._muon_lr, self._adam_lrs = muon_lr, (adam_lr, 10 * adam_lr)
        self._parameters = chosen + rest + fast

    def step(self, factor: float) -> None:
        """Apply the gradients at `factor` times the base learning rates and clear them."""
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._muon.param_groups[0]["lr"] = self._muon_lr * factor
        for group, lr in zip(self._adam.param_groups, self._adam_lrs, strict=False):
            group["lr"] = lr * factor
        for part in (self._muon, self._adam):
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """Everything needed to go on exactly where this optimiser stands."""
        return [self._muon.state_dict(), self._adam.state_dict()]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on from a saved state."""
        for part, state in zip((self._muon, self._adam), states, strict=True):
            part.load_state_dict(state)


def learning_rate_factor(share: float, step: int, *, warm_up_steps: int = 100, decay_from: float = 0.75) -> float:
    """Linear warm-up, then constant, then linear decay to zero at the end of the budget."""
    warm_up = min(1.0, (step + 1) / warm_up_steps)
    return warm_up * min(1.0, (1.0 - share) / (1.0 - decay_from))
