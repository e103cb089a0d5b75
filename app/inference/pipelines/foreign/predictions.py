"""What the scheduler of a running pipeline sees: the latents of each step and the picture that it expects."""

import copy
import functools
import inspect
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler


class Witness:
    """Remembers of the latest step its latents and, where the scheduler tells, the finished ones that it predicts."""

    def __init__(self) -> None:
        self.latents: torch.Tensor | None = None
        self.predicted: torch.Tensor | None = None
        self._watched: list[Any] = []

    def watched(self, scheduler: Any) -> Any:
        """A copy of the scheduler with a state of its own, whose steps are remembered here."""
        own = copy.deepcopy(scheduler)
        step = own.step

        @functools.wraps(step)
        def watched_step(*arguments: Any, **options: Any) -> Any:
            result = step(*arguments, **options)
            self.latents = _if_tensor(result[0])
            self.predicted = _predicted(own, inspect.signature(step).bind(*arguments, **options).arguments, result)
            return result

        own.step = watched_step
        self._watched.append(own)
        return own

    def forget(self) -> None:
        """Let go of everything; a watched scheduler would otherwise hold itself, and its tensors, through its step."""
        self.latents = self.predicted = None
        for scheduler in self._watched:
            del scheduler.step
        self._watched.clear()


def _predicted(scheduler: Any, call: dict[str, Any], result: Any) -> torch.Tensor | None:
    if len(result) > 1:
        return _if_tensor(result[1])
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        sigma = scheduler.sigmas[scheduler.step_index - 1]
        return _if_tensor(call["sample"] - sigma * call["model_output"])
    if _solves_for_the_end(scheduler.config):
        return _if_tensor(getattr(scheduler, "model_outputs", [None])[-1])
    return None


def _solves_for_the_end(config: Any) -> bool:
    """Multistep solvers of this kind keep the ends predicted by their latest steps."""
    return bool(config.get("predict_x0")) or str(config.get("algorithm_type")).endswith("dpmsolver++")


def _if_tensor(value: Any) -> torch.Tensor | None:
    return value if isinstance(value, torch.Tensor) else None
