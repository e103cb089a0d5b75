"""Keeps the LoRAs of one model and lays those over its denoiser that the next step asks for."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from app.errors import ConfigurationError, FieldIssue, InvalidInputError
from app.generation import Lora, PictureSpec
from app.inference.loras.mounting import LastingPlaces, Mount, PassingHooks
from app.inference.loras.reading import Layers, UnusableLoraError, denoiser_of, read_lora
from app.inference.pictures import Pixels
from app.inference.pipelines.contract import PromptEmbedding, SampleState, StepPipeline
from app.inference.pipelines.wrapping import WrappedPipeline
from app.lora_files import LoraFolder, refused_lora


class Adapters:
    """The LoRAs of the denoiser of a diffusers pipeline; not thread-safe.

    `max_loaded` are kept on the device, the one used longest ago gives way.
    """

    def __init__(self, parts: Any, *, mount: Mount, folder: LoraFolder, max_loaded: int) -> None:
        self._parts = parts
        self._mount = mount
        self._folder = folder
        self._max_loaded = max_loaded
        self._loaded: OrderedDict[str, Layers] = OrderedDict()
        self._active: tuple[Lora, ...] | None = ()

    def load(self, loras: Sequence[Lora]) -> None:
        """Bring the LoRAs onto the device; raises InvalidInputError that names the one that cannot be used."""
        ranks = [_rank(self._layers(lora, index)) for index, lora in enumerate(loras)]
        limit = self._mount.max_rank
        if limit is not None and sum(ranks) > limit:
            message = f"The ranks of LoRAs may add up to {limit} on this model; these are {' + '.join(map(str, ranks))}"
            raise InvalidInputError((FieldIssue(("body", "loras"), message, "value_error"),))

    def activate(self, loras: tuple[Lora, ...]) -> None:
        """Let exactly these act on every pass of the denoiser from now on; raises InvalidInputError, changing nothing.

        Free where they act already; a LoRA of scale zero does not act.
        """
        if loras == self._active:
            return
        acting = [(self._layers(lora, index), lora.scale) for index, lora in enumerate(loras) if lora.scale]
        # Should the device fail in the middle, nothing is known to act and the next call lays anew.
        self._active = None
        self._mount.lay(acting)
        self._active = loras

    def _layers(self, lora: Lora, index: int) -> Layers:
        found = self._loaded.get(lora.digest)
        if found is None:
            found = self._loaded[lora.digest] = self._read(lora, index)
        self._loaded.move_to_end(lora.digest)
        if len(self._loaded) > self._max_loaded:
            self._loaded.popitem(last=False)
        return found

    def _read(self, lora: Lora, index: int) -> Layers:
        try:
            return read_lora(self._folder.read(lora, index), self._parts)
        except UnusableLoraError as error:
            raise refused_lora(index, str(error)) from error


class AdaptedPipeline(WrappedPipeline):
    """A pipeline of any family whose pictures may ask for LoRAs; `prepare` refuses those that cannot be used."""

    def __init__(self, inner: StepPipeline, adapters: Adapters) -> None:
        super().__init__(inner)
        self._adapters = adapters

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """The inner pipeline's state; raises InvalidInputError that names the LoRA at fault."""
        self._adapters.load(spec.loras)
        return super().prepare(spec, embedding, source)

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step, with the LoRAs that they have in common."""
        self._adapters.activate(states[0].loras)
        return super().step(states)

    def decode(self, state: SampleState) -> Pixels:
        """The picture that the state shows; a pipeline that is not done with its denoiser by then has the LoRAs too."""
        self._adapters.activate(state.loras)
        return super().decode(state)


class CompiledTwice(WrappedPipeline):
    """Has every shape compiled with and without LoRAs when it is first met, so that no picture waits for it later."""

    def __init__(self, inner: StepPipeline, mount: LastingPlaces) -> None:
        super().__init__(inner)
        self._mount = mount
        self._met: set[tuple[int, torch.Size]] = set()

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step."""
        shape = len(states), states[0].latents.shape
        if shape not in self._met:
            self._step_otherwise(states)
            self._met.add(shape)
        return super().step(states)

    def _step_otherwise(self, states: Sequence[SampleState]) -> None:
        active = self._mount.are_active
        self._mount.switch(active=not active)
        try:
            super().step(states)
        finally:
            self._mount.switch(active=active)


def adapted(
    pipeline: StepPipeline,
    parts: Any,
    *,
    folder: LoraFolder,
    max_loaded: int,
    batch_invariant: bool,
    compiled_rank: int | None = None,
) -> StepPipeline:
    """The pipeline over a diffusers pipeline's `parts`, with LoRAs from the folder.

    For a denoiser that will be compiled, which must happen after this call, `compiled_rank` is the
    most that the ranks of a picture's LoRAs may add up to. Raises ConfigurationError.
    """
    if not folder.path.expanduser().is_dir():
        raise ConfigurationError(f"lora_folder: {folder.path} is not a folder; create it, or leave the setting out")
    try:
        _, denoiser = denoiser_of(parts)
    except UnusableLoraError as error:
        raise ConfigurationError(f"lora_folder: {error}; leave the setting out") from error
    mount: Mount = PassingHooks(denoiser, batch_invariant=batch_invariant)
    if compiled_rank is not None:
        mount = lasting = LastingPlaces(denoiser, max_rank=compiled_rank)
        pipeline = CompiledTwice(pipeline, lasting)
    adapters = Adapters(parts, mount=mount, folder=folder, max_loaded=max_loaded)
    return AdaptedPipeline(pipeline, adapters)


def _rank(layers: Layers) -> int:
    return max(addition.rank for addition in layers.values())
