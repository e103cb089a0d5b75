"""An exponential moving average of a model's weights, kept beside the model."""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class Average(Generic[Model]):
    """A copy of a model that follows its weights slowly."""

    def __init__(self, model: Model, *, decay: float = 0.998) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self._decay = decay

    @torch.no_grad()
    def update(self, model: Model, step: int) -> None:
        """Move towards the model; fast in the first steps, when its weights still mean nothing."""
        weight = 1 - min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), weight)

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put averaged weights back."""
        self.model.load_state_dict(state)
