"""How additions act on a denoiser: by hooks that come and go, or in places that last where it is compiled."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import starmap
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from app.inference.determinism.parts import InvariantLayer
from app.inference.determinism.verdicts import Verdicts
from app.inference.loras.low_rank import LowRank, low_rank_beside
from app.inference.loras.reading import Layers

Acting = Sequence[tuple[Layers, float]]
Term = Callable[[torch.Tensor], torch.Tensor]


class Mount(Protocol):
    """Lets LoRAs act on every pass of one denoiser."""

    @property
    def max_rank(self) -> int | None:
        """The most that the ranks of LoRAs that act together may add up to; None: no limit."""
        ...

    def lay(self, acting: Acting) -> None:
        """Let exactly these act from now on, each at its scale and in this order."""
        ...


class PassingHooks:
    """Hooks the layers that a LoRA acts on for as long as it acts.

    With `batch_invariant` what is added for a sample does not depend on its batch.
    """

    max_rank = None

    def __init__(self, denoiser: nn.Module, *, batch_invariant: bool) -> None:
        self._denoiser = denoiser
        self._verdicts = Verdicts() if batch_invariant else None
        self._hooks: list[RemovableHandle] = []

    def lay(self, acting: Acting) -> None:
        """Take away the last hooks and hang up those of these LoRAs."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = [
            self._denoiser.get_submodule(path).register_forward_hook(_Sum(starmap(self._term, terms)))
            for path, terms in _by_path(acting).items()
        ]

    def _term(self, addition: LowRank, scale: float) -> Term:
        term = partial(addition, scale=scale)
        return term if self._verdicts is None else InvariantLayer(term, kind=addition.kind, verdicts=self._verdicts)


class _Sum:
    def __init__(self, terms: Iterable[Term]) -> None:
        self._terms = tuple(terms)

    def __call__(self, layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        for term in self._terms:
            output = output + term(inputs[0])
        return output


class LastingPlaces:
    """Gives every layer a place for additions, before the denoiser is compiled, and changes only numbers afterwards.

    Compiled code would pass over a hook, and be made again for weights of another shape. Here each
    shape of a batch has two programs, one with additions of `max_rank` and one without, whatever is
    asked for. Layers become ones of another class, so that no program is taken for that of a
    denoiser without places.
    """

    def __init__(self, denoiser: Any, *, max_rank: int) -> None:
        self.max_rank = max_rank
        self._denoiser = denoiser
        self._places: dict[str, _Place] = {}
        self._have_memory = False
        for path, layer in denoiser.named_modules():
            addition = low_rank_beside(layer, max_rank)
            if addition is not None:
                self._places[path] = layer.place = _Place(addition)
                layer.__class__ = _carrying(layer.__class__)

    @property
    def are_active(self) -> bool:
        """Whether the program with additions runs."""
        return any(place.is_active for place in self._places.values())

    def lay(self, acting: Acting) -> None:
        """Copy the LoRAs side by side into the additions."""
        terms = _by_path(acting)
        self.switch(active=bool(terms))
        if terms:
            for path, place in self._places.items():
                place.fill(terms[path])

    def switch(self, *, active: bool) -> None:
        """Run the one program or the other, with the additions as they were filled last."""
        if active and not self._have_memory:
            device, dtype = self._denoiser.device, self._denoiser.dtype
            for place in self._places.values():
                place.make(device, dtype)
            self._have_memory = True
        for place in self._places.values():
            place.is_active = active


@cache
def _carrying(kind: type[nn.Module]) -> type[nn.Module]:
    """The same kind of layer, with a place for additions."""

    def forward(layer: Any, batch: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = kind.forward(layer, batch)
        return output + layer.place.addition(batch) if layer.place.is_active else output

    return type(f"Carrying{kind.__name__}", (kind,), {"forward": forward})


class _Place:
    def __init__(self, addition: LowRank) -> None:
        self.addition = addition
        self.is_active = False
        self._is_blank = True

    def make(self, device: torch.device, dtype: torch.dtype) -> None:
        """Give the addition its memory, which it keeps: compiled code knows it by its address."""
        for layer in (self.addition.down, self.addition.up):
            zeros = torch.zeros(layer.weight.shape, device=device, dtype=dtype)
            layer.weight = nn.Parameter(zeros, requires_grad=False)

    @torch.no_grad()
    def fill(self, terms: Sequence[tuple[LowRank, float]]) -> None:
        """Take the terms side by side; what is left over adds nothing."""
        if self._is_blank and not terms:
            return
        down, up, first = self.addition.down.weight.zero_(), self.addition.up.weight.zero_(), 0
        for addition, scale in terms:
            last = first + addition.rank
            down[first:last] = addition.down.weight
            up[:, first:last] = addition.up.weight * scale
            first = last
        self._is_blank = not terms


def _by_path(acting: Acting) -> defaultdict[str, list[tuple[LowRank, float]]]:
    terms: defaultdict[str, list[tuple[LowRank, float]]] = defaultdict(list)
    for layers, scale in acting:
        for path, addition in layers.items():
            terms[path].append((addition, scale))
    return terms
