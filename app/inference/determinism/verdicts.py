"""Finds out, by comparing bits, in which form a batch gives every sample what it gets alone."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from app.inference.determinism.samples import Function, Output, samples_of

_LEAST_COMPARED = 8192
_MARKER_CANDIDATES = 4096


@dataclass
class Verdicts:
    """What one network's parts have found out: by kind of part, and case by case, the index of the form to use.

    Parts of a kind share a table, so that each case is tried once.
    """

    _tables: defaultdict[Hashable, dict[Hashable, int]] = field(default_factory=lambda: defaultdict(dict))

    def about(self, kind: Hashable) -> dict[Hashable, int]:
        """The verdicts on parts of this kind, to be read and extended."""
        return self._tables[kind]

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))


@torch.no_grad()
def first_exact(forms: Sequence[Function], alone: Function, *batches: torch.Tensor) -> int:
    """The index of the first form that treats random batches like these as `alone` treats each sample.

    The last form is taken unseen: it has to be the one that computes sample by sample. Needs memory
    for one more batch of inputs and outputs.
    """
    rivals = range(len(forms) - 1)
    return next((index for index in rivals if _is_exact(forms[index], alone, batches)), len(forms) - 1)


def _is_exact(form: Function, alone: Function, batches: Sequence[torch.Tensor]) -> bool:
    # Small outputs are drawn repeatedly: two orders of adding few numbers often round alike.
    generator = torch.Generator(batches[0].device).manual_seed(0)
    compared = 0
    while compared < _LEAST_COMPARED:
        drawn = [_random_like(batch, generator) for batch in batches]
        together = _parts(form(*drawn))
        for index, samples in enumerate(zip(*map(samples_of, drawn), strict=True)):
            if not all(map(_same_bits, (part[index : index + 1] for part in together), _parts(alone(*samples)))):
                return False
        compared += together[0][0].numel()
    return True


def _random_like(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if batch.dtype is torch.bool:
        return batch.clone()
    drawn = torch.empty_like(batch)
    return drawn.normal_(generator=generator) if drawn.is_floating_point() else drawn.random_(1000, generator=generator)


def _parts(output: Output) -> tuple[torch.Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)


def _same_bits(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return torch.equal(ours.contiguous().view(torch.uint8), theirs.contiguous().view(torch.uint8))


@torch.no_grad()
def is_even(function: Function, batch: torch.Tensor) -> bool:
    """True if an element-wise function runs the same code on each element of the batch as on that of a sample alone.

    Vectorised functions round unlike the scalar code that handles what is left over at the end of
    a row or of a thread's share. A batch filled with one number that tells the two apart shows
    which code ran where. Without such a number the answer is false.
    """
    marker = _marker(function, batch)
    if marker is None:
        return False
    alone = function(_filled(batch[:1], marker))
    return all(_same_bits(result, alone) for result in torch.split(function(_filled(batch, marker)), 1))


def _filled(batch: torch.Tensor, value: float) -> torch.Tensor:
    reach = 1 + sum((length - 1) * stride for length, stride in zip(batch.shape, batch.stride(), strict=True))
    return batch.new_full((reach,), value).as_strided(batch.shape, batch.stride())


def _marker(function: Function, batch: torch.Tensor) -> Any:
    generator = torch.Generator(batch.device).manual_seed(0)
    candidates = torch.empty(_MARKER_CANDIDATES, dtype=batch.dtype, device=batch.device).normal_(generator=generator)
    vectorised = function(candidates.clone())
    pairs = zip(torch.split(candidates, 1), torch.split(vectorised, 1), strict=True)
    return next((value.item() for value, result in pairs if not _same_bits(function(value.clone()), result)), None)
