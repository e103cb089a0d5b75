"""How pipeline classes of diffusers are called: what each wants to be told, and how it tells of its steps."""

import copy
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image, DiffusionPipeline
from PIL import Image

from app.errors import ConfigurationError, FieldIssue, InvalidInputError
from app.generation import PictureSpec, Task
from app.inference.manifest import Manifest
from app.inference.pictures import cover

_WORDS = frozenset({"prompt", "class_labels"})
_SOURCE = frozenset({"image", "strength"})


@dataclass(frozen=True, slots=True)
class Call:
    """A pipeline object and the parameters of its call."""

    pipeline: Any
    parameters: frozenset[str]

    def arguments(self, spec: PictureSpec, manifest: Manifest, source: Image.Image | None) -> dict[str, Any]:
        """What the call is told of the spec, as far as it can be; raises InvalidInputError for an unknown class."""
        told: dict[str, Any] = {
            "prompt": manifest.prompt_for(spec.prompt, spec.native_width, spec.native_height),
            "negative_prompt": spec.negative_prompt or None,
            "width": spec.native_width,
            "height": spec.native_height,
            "num_inference_steps": spec.steps,
            "guidance_scale": spec.guidance_scale,
            "generator": torch.Generator("cpu").manual_seed(spec.seed),
            "max_sequence_length": manifest.max_sequence_length,
            "class_labels": self._labels(spec.prompt) if "class_labels" in self.parameters else None,
            "output_type": "pil",
        }
        if source is not None:
            told["image"] = cover(source, spec.native_width, spec.native_height)
            told["strength"] = _effective_strength(spec)
        return {name: value for name, value in told.items() if name in self.parameters and value is not None}

    def hooks(self, after_step: Callable[[Any, torch.Tensor | None], None]) -> dict[str, Any]:
        """The arguments that make the call tell of each step: which pipeline took it, and its latents, where known."""

        def callback(pipeline: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            after_step(pipeline, tensors.get("latents"))
            return tensors

        def old_callback(_step: int, _timestep: Any, latents: torch.Tensor) -> None:
            after_step(None, latents)

        if _swaps_processors(self.pipeline):
            return {}
        if "callback_on_step_end" in self.parameters:
            known = {"latents"}.intersection(getattr(self.pipeline, "_callback_tensor_inputs", ()))
            return {"callback_on_step_end": callback, "callback_on_step_end_tensor_inputs": list(known)}
        if self.parameters.issuperset({"callback", "callback_steps"}):
            return {"callback": old_callback, "callback_steps": 1}
        return {}

    def lacks(self, task: Task) -> set[str]:
        """Parameters that the call insists on and that no request for that task holds."""
        parameters = inspect.signature(type(self.pipeline).__call__).parameters
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        required = {
            name for name, each in parameters.items() if each.default is each.empty and each.kind not in variadic
        }
        held = _WORDS if task is Task.TEXT_TO_IMAGE else _WORDS | _SOURCE
        return required - held - {"self"}

    def _labels(self, prompt: str) -> list[int]:
        """The number of the class that the prompt names, in a model that draws classes; without a prompt the first."""
        if not prompt:
            return [0]
        if prompt not in self.pipeline.labels:
            message = f"This model draws {len(self.pipeline.labels)} classes of things; the prompt must be one of them."
            raise InvalidInputError((FieldIssue(("body", "prompt"), message, "value_error"),))
        labels: list[int] = self.pipeline.get_label_ids([prompt])
        return labels


def calls_of(pipeline: Any) -> dict[Task, Call]:
    """The calls that draw with this pipeline's networks, its own or those of its siblings, by task.

    Raises ConfigurationError when all of them need something that no request holds.
    """
    own = _call(pipeline)
    siblings = {
        Task.TEXT_TO_IMAGE: _sibling(AutoPipelineForText2Image, pipeline) if _takes_source(own) else own,
        Task.IMAGE_TO_IMAGE: own if _takes_source(own) else _sibling(AutoPipelineForImage2Image, pipeline),
    }
    calls = {task: call for task, call in siblings.items() if call is not None and not call.lacks(task)}
    if not calls:
        lacking = ", ".join(sorted(own.lacks(Task.TEXT_TO_IMAGE)))
        raise ConfigurationError(f"{type(pipeline).__name__} cannot be served: no request holds its {lacking}")
    return calls


def private_copy(pipeline: Any, watched: Callable[[Any], Any]) -> Any:
    """A pipeline of the same networks for one run; `watched` copies its schedulers, the only parts with a state."""
    private = copy.copy(pipeline)
    for name, part in vars(pipeline).items():
        if hasattr(part, "set_timesteps"):
            setattr(private, name, watched(part))
        elif isinstance(part, DiffusionPipeline):
            setattr(private, name, private_copy(part, watched))
    private.set_progress_bar_config(disable=True)
    return private


def _call(pipeline: Any) -> Call:
    return Call(pipeline, frozenset(inspect.signature(type(pipeline).__call__).parameters))


def _takes_source(call: Call) -> bool:
    return call.parameters >= _SOURCE


def _sibling(kind: Any, pipeline: Any) -> Call | None:
    """The pipeline of that kind over the same networks, where diffusers has one."""
    try:
        return _call(kind.from_pipe(pipeline))
    except ValueError:
        return None


def _swaps_processors(pipeline: Any) -> bool:
    """Perturbed-attention pipelines alter their networks while they run, so that two must not alternate."""
    return hasattr(pipeline, "set_pag_applied_layers")


def _effective_strength(spec: PictureSpec) -> float:
    """The strength, raised where it would run no step at all."""
    least = 1 / spec.steps
    while int(least * spec.steps) < 1:
        least = math.nextafter(least, 1)
    return max(spec.strength, least)
