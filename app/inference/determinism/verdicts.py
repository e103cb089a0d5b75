"""Finds out, by comparing bits, in which form a batch gives every sample what it gets alone."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import torch

from app.inference.determinism.samples import Function, Output

_LEAST_COMPARED = 8192


@dataclass
class Verdicts:
    """What one network's parts have found out: by kind of part, and case by case, the index of the form to use.

    Parts of a kind share a table, so that each case is tried once.
    """

    _tables: defaultdict[Hashable, dict[Hashable, int]] = field(default_factory=lambda: defaultdict(dict))

    def about(self, kind: Hashable) -> dict[Hashable, int]:
        """The verdicts on parts of this kind, to be read and extended."""
        return self._tables[kind]

    @property
    def count(self) -> int:
        """How many cases were tried."""
        return sum(map(len, self._tables.values()))


@torch.no_grad()
def first_exact(forms: Sequence[Function], *batches: torch.Tensor) -> int:
    """The index of the first form that gives each sample of random batches like these what the last gives it alone.

    The last form has to compute sample by sample. Needs memory for one more batch of inputs and outputs.
    """
    return next(index for index, form in enumerate(forms) if form is forms[-1] or _is_exact(form, forms[-1], batches))


def _is_exact(form: Function, alone: Function, batches: Sequence[torch.Tensor]) -> bool:
    # Small outputs are drawn repeatedly: two orders of adding few numbers often round alike.
    generator = torch.Generator(batches[0].device).manual_seed(0)
    compared = 0
    while compared < _LEAST_COMPARED:
        drawn = [_random_like(batch, generator) for batch in batches]
        together = _parts(form(*drawn))
        for index, samples in enumerate(zip(*(torch.split(batch, 1) for batch in drawn), strict=True)):
            if not all(map(_same_bits, (part[index : index + 1] for part in together), _parts(alone(*samples)))):
                return False
        compared += together[0][0].numel()
    return True


def _random_like(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Other numbers in the same layout; truth values, which only mask, stay."""
    if batch.dtype is torch.bool:
        return batch
    reach = 1 + sum((length - 1) * stride for length, stride in zip(batch.shape, batch.stride(), strict=True))
    drawn = batch.new_empty(reach)
    drawn = (
        drawn.normal_(generator=generator) if drawn.is_floating_point() else drawn.random_(1000, generator=generator)
    )
    return drawn.as_strided(batch.shape, batch.stride())


def _parts(output: Output) -> tuple[torch.Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)


def _same_bits(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return torch.equal(ours.contiguous().view(torch.uint8), theirs.contiguous().view(torch.uint8))
